"""Safelight: photos of one subject in, a LoRA that draws that subject out."""
