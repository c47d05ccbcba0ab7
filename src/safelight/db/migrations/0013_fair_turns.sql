-- Fair turns whenever a job becomes due, and not when it is made alone: a job's place in its queue is when it
-- is due, or one quantum behind the owner's last job that is due there by then (a second is for rounding).
-- In PL/pgSQL, which keeps its plan: it is asked with every job that is added.
CREATE FUNCTION fair_turn(of_queue queue, of_owner uuid, due timestamptz, quantum interval) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN greatest(due, (
        SELECT max(last.turn) FROM jobs last
        WHERE last.queue = of_queue AND last.owner_id = of_owner AND last.state = 'ready'
          AND last.due_at <= due + interval '1 s') + quantum);
END $$;
