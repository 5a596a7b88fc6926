-- Setting aside and spending, which households do all day, in as few statements as there are moments: lock the account, read
-- what the lock guards, write everything at once. The other acts, and what these two call, stand in 0011_ledger_acts.sql.

DROP FUNCTION ledger_hold(bigint, uuid, bigint, timestamptz, date, timestamptz);

-- Set points aside until a deadline. The hold's id is the number of its posting. With a second journal they leave in the same
-- moment: the hold has ended by the next posting, which is of that journal.
CREATE FUNCTION ledger_hold(
    of_household bigint, for_journal uuid, points bigint, deadline timestamptz, today date, at timestamptz,
    for_spending uuid DEFAULT NULL
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    has_available bigint;
    has_held bigint;
    has_debt bigint;
    next_seq bigint;
    closed timestamptz;
    first_lot bigint;
    first_day date;
    part bigint;
    spending_seq bigint;
    spent bigint;
BEGIN
    LOOP
        SELECT available, held, debt, version + 1, closed_at INTO has_available, has_held, has_debt, next_seq, closed
        FROM account WHERE household_id = of_household FOR NO KEY UPDATE;
        SELECT lot_id, expires_on, least(remaining, points) INTO first_lot, first_day, part
        FROM lot WHERE household_id = of_household AND remaining > 0 ORDER BY expires_on, lot_id LIMIT 1;
        EXIT WHEN first_day IS NULL OR first_day >= today;
        PERFORM ledger_open(of_household, for_journal, today, at);
    END LOOP;
    IF next_seq IS NULL THEN RETURN ledger_refused('unknown'); END IF;
    IF closed IS NOT NULL THEN RETURN ledger_refused('closed'); END IF;
    IF points > has_available THEN RETURN ledger_refused('insufficient', has_available); END IF;
    IF for_spending IS NOT NULL THEN
        spending_seq := next_seq + 1;
        spent := points;
    END IF;
    WITH posted AS (
        INSERT INTO posting (household_id, seq, journal_id, kind, contra, amount, available_after, held_after, debt_after,
                             effective_on, recorded_at, hold_id)
        SELECT of_household, next_seq, for_journal, 'hold', NULL, 0, has_available - points, has_held + points, has_debt,
               today, at, next_seq
        UNION ALL
        SELECT of_household, spending_seq, for_spending, 'redemption', 'redeemed', -points, has_available - points, has_held,
               has_debt, today, at, next_seq
        WHERE spending_seq IS NOT NULL
    ), moved AS (
        UPDATE account SET available = available - points, held = held + points - coalesce(spent, 0),
                           version = coalesce(spending_seq, next_seq)
        WHERE household_id = of_household
    ), taken AS (
        UPDATE lot SET remaining = remaining - part WHERE household_id = of_household AND lot_id = first_lot
    ), used AS (
        INSERT INTO lot_use (household_id, seq, lot_id, amount)
        SELECT of_household, next_seq, first_lot, part WHERE part IS NOT NULL
    )
    INSERT INTO hold (household_id, hold_id, points, deadline_at, ended_seq, spent)
    VALUES (of_household, next_seq, points, deadline, spending_seq, spent);
    IF part IS DISTINCT FROM points THEN  -- the first lot is empty now, the next ones give the rest
        PERFORM ledger_take(of_household, next_seq, points - coalesce(part, 0));
    END IF;
    RETURN ROW(NULL::text, NULL::bigint, coalesce(spending_seq, next_seq), has_available - points,
               has_held + points - coalesce(spent, 0), has_debt, 0::bigint);
END $$;

-- End a hold, once: `spent` points leave (null: the whole), the rest returns to its lots, after any debt. Nothing spent: it is void.
CREATE OR REPLACE FUNCTION ledger_end_hold(
    of_household bigint, for_journal uuid, of_hold bigint, spent bigint, today date, at timestamptz
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    has_available bigint;
    has_held bigint;
    has_debt bigint;
    next_seq bigint;
    on_hold bigint;
    deadline timestamptz;
    ended bigint;
    lapsed boolean;
    repaid bigint;
    back bigint;
BEGIN
    LOOP
        SELECT available, held, debt, version + 1 INTO has_available, has_held, has_debt, next_seq
        FROM account WHERE household_id = of_household FOR NO KEY UPDATE;
        SELECT hold.points, deadline_at, ended_seq,
               EXISTS (SELECT FROM lot WHERE household_id = of_household AND remaining > 0 AND expires_on < today)
        INTO on_hold, deadline, ended, lapsed
        FROM hold WHERE household_id = of_household AND hold_id = of_hold;
        EXIT WHEN lapsed IS NOT TRUE;
        PERFORM ledger_open(of_household, for_journal, today, at);
    END LOOP;
    IF on_hold IS NULL THEN RETURN ledger_refused('hold_unknown'); END IF;
    IF ended IS NOT NULL THEN RETURN ledger_refused('hold_ended', ended); END IF;
    spent := coalesce(spent, on_hold);
    IF spent > on_hold THEN RETURN ledger_refused('hold_exceeded', on_hold); END IF;
    IF spent > 0 AND at >= deadline THEN RETURN ledger_refused('hold_lapsed'); END IF;
    repaid := least(on_hold - spent, has_debt);
    back := on_hold - spent - repaid;
    WITH posted AS (
        INSERT INTO posting (household_id, seq, journal_id, kind, contra, amount, available_after, held_after, debt_after,
                             effective_on, recorded_at, hold_id)
        VALUES (of_household, next_seq, for_journal, CASE WHEN spent > 0 THEN 'redemption' ELSE 'release' END,
                CASE WHEN spent > 0 THEN 'redeemed' END, -spent, has_available + back, has_held - on_hold, has_debt - repaid,
                today, at, of_hold)
    ), moved AS (
        UPDATE account SET available = available + back, held = held - on_hold, debt = debt - repaid, version = next_seq
        WHERE household_id = of_household
    )
    UPDATE hold SET ended_seq = next_seq, spent = ledger_end_hold.spent WHERE household_id = of_household AND hold_id = of_hold;
    IF back > 0 THEN
        PERFORM ledger_give_back(of_household, ARRAY[of_hold], next_seq, back);
    END IF;
    RETURN ROW(NULL::text, NULL::bigint, next_seq, has_available + back, has_held - on_hold, has_debt - repaid, 0::bigint);
END $$;
