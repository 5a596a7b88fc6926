-- The acts of the ledger, each on the account of one household. Whoever calls one has written its journal in the same
-- transaction. Each begins by locking the account and booking what has expired, and ends with the account at its last posting.
-- What is refused comes back as a word in `refusal` and the number behind it in `fact`; the caller rolls back.

CREATE TYPE ledger_result AS (
    refusal text, fact bigint, seq bigint, available bigint, held bigint, debt bigint, forgiven bigint
);

CREATE FUNCTION ledger_refused(word text, fact bigint DEFAULT NULL) RETURNS ledger_result LANGUAGE sql IMMUTABLE AS $$
    SELECT word, fact, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint
$$;

CREATE FUNCTION ledger_done(acc account, forgiven bigint DEFAULT 0)
RETURNS ledger_result LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW(NULL::text, NULL::bigint, acc.version, acc.available, acc.held, acc.debt, forgiven);
END $$;

-- One posting, and the account moved to it.
CREATE FUNCTION ledger_add(
    account_before account, for_journal uuid, of_kind text, against text, points bigint,
    available_next bigint, held_next bigint, debt_next bigint, effective date, at timestamptz,
    of_hold bigint DEFAULT NULL, taken_back bigint DEFAULT NULL,
    of_settlement bigint DEFAULT NULL, of_restatement bigint DEFAULT NULL, of_commodity text DEFAULT NULL,
    not_asked bigint DEFAULT 0
) RETURNS account LANGUAGE plpgsql AS $$
DECLARE moved account;
BEGIN
    INSERT INTO posting (household_id, seq, journal_id, kind, contra, amount, available_after, held_after, debt_after,
                         effective_on, recorded_at, hold_id, reverses, settlement_id, restatement_id, commodity, forgiven)
    VALUES (account_before.household_id, account_before.version + 1, for_journal, of_kind, against, points,
            available_next, held_next, debt_next, effective, at, of_hold, taken_back,
            of_settlement, of_restatement, of_commodity, not_asked);
    UPDATE account SET available = available_next, held = held_next, debt = debt_next, version = version + 1
    WHERE household_id = account_before.household_id RETURNING * INTO moved;
    RETURN moved;
END $$;

-- Take points from lots: the soonest to expire first, then the oldest; `first_lot` before all others.
CREATE FUNCTION ledger_take(of_household bigint, for_seq bigint, points bigint, first_lot bigint DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    source record;
    part bigint;
    missing bigint := points;
BEGIN
    FOR source IN
        SELECT lot_id, remaining FROM lot WHERE household_id = of_household AND remaining > 0
        ORDER BY lot_id IS DISTINCT FROM first_lot, expires_on NULLS LAST, lot_id
    LOOP
        EXIT WHEN missing = 0;
        part := least(source.remaining, missing);
        missing := missing - part;
        UPDATE lot SET remaining = remaining - part WHERE household_id = of_household AND lot_id = source.lot_id;
        INSERT INTO lot_use (household_id, seq, lot_id, amount) VALUES (of_household, for_seq, source.lot_id, part);
    END LOOP;
    IF missing > 0 THEN
        RAISE EXCEPTION 'the lots of household % lack % points that its account shows', of_household, missing
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lots_follow_account';
    END IF;
END $$;

-- Give points back to the lots from which postings took them: the last taken first. Returns what no lot could take back.
CREATE FUNCTION ledger_give_back(of_household bigint, from_seqs bigint[], for_seq bigint, points bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    target record;
    part bigint;
    missing bigint := points;
BEGIN
    IF points = 0 THEN RETURN 0; END IF;
    FOR target IN
        SELECT lot_id, sum(amount)::bigint AS amount FROM lot_use JOIN lot USING (household_id, lot_id)
        WHERE household_id = of_household AND seq = ANY(from_seqs) GROUP BY lot_id, expires_on HAVING sum(amount) > 0
        ORDER BY expires_on DESC NULLS FIRST, lot_id DESC
    LOOP
        EXIT WHEN missing = 0;
        part := least(target.amount, missing);
        missing := missing - part;
        UPDATE lot SET remaining = remaining + part WHERE household_id = of_household AND lot_id = target.lot_id;
        INSERT INTO lot_use (household_id, seq, lot_id, amount) VALUES (of_household, for_seq, target.lot_id, -part);
    END LOOP;
    RETURN missing;
END $$;

-- Lock an account and book what expired before a day, each day's lots as a posting of its own.
CREATE FUNCTION ledger_open(of_household bigint, for_journal uuid, today date, at timestamptz)
RETURNS account LANGUAGE plpgsql AS $$
DECLARE
    opened account;
    lapsed record;
BEGIN
    SELECT * INTO opened FROM account WHERE household_id = of_household FOR NO KEY UPDATE;
    FOR lapsed IN
        SELECT expires_on, sum(remaining)::bigint AS points FROM lot
        WHERE household_id = of_household AND remaining > 0 AND expires_on < today GROUP BY expires_on ORDER BY expires_on
    LOOP
        opened := ledger_add(opened, for_journal, 'expiry', 'expired', -lapsed.points,
                             opened.available - lapsed.points, opened.held, opened.debt, lapsed.expires_on + 1, at);
        INSERT INTO lot_use (household_id, seq, lot_id, amount)
        SELECT household_id, opened.version, lot_id, remaining FROM lot
        WHERE household_id = of_household AND remaining > 0 AND expires_on = lapsed.expires_on;
        UPDATE lot SET remaining = 0
        WHERE household_id = of_household AND remaining > 0 AND expires_on = lapsed.expires_on;
    END LOOP;
    RETURN opened;
END $$;

-- Set points aside until a deadline. The hold's id is the number of its posting.
CREATE FUNCTION ledger_hold(
    of_household bigint, for_journal uuid, points bigint, deadline timestamptz, today date, at timestamptz
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE acc account;
BEGIN
    acc := ledger_open(of_household, for_journal, today, at);
    IF acc.household_id IS NULL THEN RETURN ledger_refused('unknown'); END IF;
    IF acc.closed_at IS NOT NULL THEN RETURN ledger_refused('closed'); END IF;
    IF points > acc.available THEN
        RETURN ledger_refused('insufficient', acc.available);
    END IF;
    acc := ledger_add(acc, for_journal, 'hold', NULL, 0, acc.available - points, acc.held + points, acc.debt, today, at,
                      of_hold => acc.version + 1);
    PERFORM ledger_take(of_household, acc.version, points);
    INSERT INTO hold (household_id, hold_id, points, deadline_at) VALUES (of_household, acc.version, points, deadline);
    RETURN ledger_done(acc);
END $$;

-- End a hold, once: `spent` points leave (null: the whole), the rest returns to its lots, after any debt. Nothing spent: it is void.
CREATE FUNCTION ledger_end_hold(
    of_household bigint, for_journal uuid, of_hold bigint, spent bigint, today date, at timestamptz
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    acc account;
    ending hold;
    back bigint;
    repaid bigint;
BEGIN
    acc := ledger_open(of_household, for_journal, today, at);
    SELECT * INTO ending FROM hold WHERE household_id = of_household AND hold_id = of_hold;
    IF NOT FOUND THEN RETURN ledger_refused('hold_unknown'); END IF;
    IF ending.ended_seq IS NOT NULL THEN RETURN ledger_refused('hold_ended', ending.ended_seq); END IF;
    spent := coalesce(spent, ending.points);
    IF spent > ending.points THEN RETURN ledger_refused('hold_exceeded', ending.points); END IF;
    IF spent > 0 AND at >= ending.deadline_at THEN RETURN ledger_refused('hold_lapsed'); END IF;
    back := ending.points - spent;
    repaid := least(back, acc.debt);
    acc := ledger_add(acc, for_journal, CASE WHEN spent > 0 THEN 'redemption' ELSE 'release' END,
                      CASE WHEN spent > 0 THEN 'redeemed' END, -spent,
                      acc.available + back - repaid, acc.held - ending.points, acc.debt - repaid, today, at,
                      of_hold => of_hold);
    PERFORM ledger_give_back(of_household, ARRAY[of_hold], acc.version, back - repaid);
    UPDATE hold SET ended_seq = acc.version, spent = ledger_end_hold.spent
    WHERE household_id = of_household AND hold_id = of_hold;
    RETURN ledger_done(acc);
END $$;

-- Points come in: debt is paid off first, the whole is one lot.
CREATE FUNCTION ledger_grant(
    of_household bigint, for_journal uuid, of_kind text, against text, points bigint, expires date,
    effective date, today date, at timestamptz,
    of_settlement bigint DEFAULT NULL, of_restatement bigint DEFAULT NULL, of_commodity text DEFAULT NULL
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    acc account;
    repaid bigint;
BEGIN
    acc := ledger_open(of_household, for_journal, today, at);
    IF acc.household_id IS NULL THEN RETURN ledger_refused('unknown'); END IF;
    repaid := least(points, acc.debt);
    acc := ledger_add(acc, for_journal, of_kind, against, points, acc.available + points - repaid, acc.held,
                      acc.debt - repaid, effective, at, of_settlement => of_settlement,
                      of_restatement => of_restatement, of_commodity => of_commodity);
    INSERT INTO lot (household_id, lot_id, granted, remaining, expires_on)
    VALUES (of_household, acc.version, points, points - repaid, expires);
    IF repaid > 0 THEN
        INSERT INTO lot_use (household_id, seq, lot_id, amount) VALUES (of_household, acc.version, acc.version, repaid);
    END IF;
    RETURN ledger_done(acc);
END $$;

-- Points are taken, `first_lot` before all others. What was spent becomes debt. Not asked back is what the debt would have
-- beyond its limit, and what `first_lot` lost by expiring: nobody owes points that they never spent.
CREATE FUNCTION ledger_claw(
    of_household bigint, for_journal uuid, of_kind text, against text, points bigint, first_lot bigint, debt_max bigint,
    effective date, today date, at timestamptz, taken_back bigint DEFAULT NULL,
    of_settlement bigint DEFAULT NULL, of_restatement bigint DEFAULT NULL, of_commodity text DEFAULT NULL
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    acc account;
    lost bigint;
    taken bigint;
    owed bigint;
BEGIN
    acc := ledger_open(of_household, for_journal, today, at);
    IF acc.household_id IS NULL THEN RETURN ledger_refused('unknown'); END IF;
    SELECT coalesce(sum(lot_use.amount), 0) INTO lost FROM lot_use JOIN posting USING (household_id, seq)
    WHERE household_id = of_household AND lot_use.lot_id = first_lot AND posting.kind IN ('expiry', 'closing');
    lost := least(points, greatest(lost - (SELECT coalesce(sum(forgiven), 0) FROM posting
                                           WHERE household_id = of_household AND kind = 'restatement'
                                             AND settlement_id = of_settlement AND commodity = of_commodity), 0));
    taken := least(points - lost, acc.available);
    owed := greatest(least(points - lost - taken, debt_max - acc.debt), 0);
    acc := ledger_add(acc, for_journal, of_kind, against, -taken - owed, acc.available - taken, acc.held, acc.debt + owed,
                      effective, at, taken_back => taken_back, of_settlement => of_settlement,
                      of_restatement => of_restatement, of_commodity => of_commodity,
                      not_asked => points - taken - owed);
    PERFORM ledger_take(of_household, acc.version, taken, first_lot);
    RETURN ledger_done(acc, points - taken - owed);
END $$;

-- Take back one posting, once. A grant is clawed back, its own lot first; what was spent or taken returns to its lots.
CREATE FUNCTION ledger_reverse(
    of_household bigint, for_journal uuid, of_seq bigint, debt_max bigint, today date, at timestamptz
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    acc account;
    was posting;
    repaid bigint;
    homeless bigint;
BEGIN
    acc := ledger_open(of_household, for_journal, today, at);
    SELECT * INTO was FROM posting WHERE household_id = of_household AND seq = of_seq;
    IF NOT FOUND THEN RETURN ledger_refused('posting_unknown'); END IF;
    IF was.kind NOT IN ('award', 'restatement', 'adjustment', 'redemption') THEN
        RETURN ledger_refused('not_reversible');
    END IF;
    IF EXISTS (SELECT 1 FROM posting WHERE household_id = of_household AND reverses = of_seq) THEN
        RETURN ledger_refused('reversed');
    END IF;
    IF was.kind = 'award' AND EXISTS (
        SELECT 1 FROM posting AS later
        WHERE later.household_id = of_household AND later.kind = 'restatement' AND later.settlement_id = was.settlement_id
          AND later.commodity = was.commodity
          AND NOT EXISTS (SELECT 1 FROM posting AS undone
                          WHERE undone.household_id = of_household AND undone.reverses = later.seq)) THEN
        RETURN ledger_refused('restated');
    END IF;
    IF was.amount > 0 THEN
        RETURN ledger_claw(of_household, for_journal, 'reversal',
                           CASE was.contra WHEN 'issuance' THEN 'clawback' ELSE was.contra END,
                           was.amount, of_seq, debt_max, was.effective_on, today, at, taken_back => of_seq);
    END IF;
    repaid := least(-was.amount, acc.debt);
    acc := ledger_add(acc, for_journal, 'reversal', was.contra, -was.amount, acc.available - was.amount - repaid, acc.held,
                      acc.debt - repaid, was.effective_on, at, taken_back => of_seq);
    homeless := ledger_give_back(of_household, ARRAY[coalesce(was.hold_id, of_seq), of_seq], acc.version,
                                 -was.amount - repaid);
    IF homeless > 0 THEN  -- what had become debt, and was paid off by awards since: a new lot, which does not expire
        INSERT INTO lot (household_id, lot_id, granted, remaining) VALUES (of_household, acc.version, homeless, homeless);
    END IF;
    RETURN ledger_done(acc);
END $$;

-- Close an account: what is left is given up. Refused while points are on hold.
CREATE FUNCTION ledger_close(of_household bigint, for_journal uuid, today date, at timestamptz)
RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    acc account;
    left_over bigint;
BEGIN
    acc := ledger_open(of_household, for_journal, today, at);
    IF acc.household_id IS NULL THEN RETURN ledger_refused('unknown'); END IF;
    IF acc.held > 0 THEN RETURN ledger_refused('held', acc.held); END IF;
    left_over := acc.available;
    IF left_over > 0 THEN
        acc := ledger_add(acc, for_journal, 'closing', 'expired', -left_over, 0, acc.held, acc.debt, today, at);
        PERFORM ledger_take(of_household, acc.version, left_over);
    END IF;
    UPDATE account SET closed_at = coalesce(closed_at, at) WHERE household_id = of_household;
    RETURN ledger_done(acc);
END $$;

-- Book what expired in the accounts of a city, the next ones behind a household. Returns the last one, or null.
CREATE FUNCTION ledger_expire(of_city bigint, after bigint, accounts bigint, for_journal uuid, today date, at timestamptz)
RETURNS TABLE (last bigint, households bigint, points bigint) LANGUAGE plpgsql AS $$
DECLARE
    due bigint;
    was bigint;
BEGIN
    households := 0; points := 0;
    FOR due IN
        SELECT DISTINCT lot.household_id FROM lot JOIN household ON household.id = lot.household_id
        WHERE lot.remaining > 0 AND lot.expires_on < today AND household.city_id = of_city AND lot.household_id > after
        ORDER BY lot.household_id LIMIT accounts
    LOOP
        SELECT max(seq) INTO was FROM posting WHERE household_id = due;
        PERFORM ledger_open(due, for_journal, today, at);
        points := points - coalesce((SELECT sum(amount) FROM posting
                                     WHERE household_id = due AND seq > was AND journal_id = for_journal), 0);
        last := due; households := households + 1;
    END LOOP;
    RETURN NEXT;
END $$;
