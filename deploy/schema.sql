-- SPDX-License-Identifier: Apache-2.0
--
-- The database of a Tandem switch: call detail records, one row an attempt. docs/cdr.md explains every column.
--
-- tandem-cdrwriter applies this file itself when the schema is missing (its database user must own the database or
-- have CREATE on it); an operator who prefers to do it by hand runs  psql -1 -f schema.sql  first. Several nodes may
-- share one database. Everything is in the schema "tandem"; nothing else is touched.

CREATE SCHEMA IF NOT EXISTS tandem;

-- Which migrations have been applied; this file is version 1.
CREATE TABLE tandem.schema_version (
	version integer PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tandem.cdr (
	setup_time timestamptz NOT NULL,
	call_id uuid NOT NULL,
	attempt integer NOT NULL,
	final boolean NOT NULL,
	node text NOT NULL,
	mapping_gateway text,
	routing_gateway text,
	caller_number_in text,
	caller_number_out text,
	callee_number_in text,
	callee_number_out text,
	caller_ip inet,
	caller_port integer,
	callee_ip inet,
	callee_port integer,
	caller_sip_call_id text,
	callee_sip_call_id text,
	progress_time timestamptz,
	answer_time timestamptz,
	end_time timestamptz,
	pdd_ms integer,
	duration interval NOT NULL,
	sip_code integer,
	q850_cause integer,
	end_direction text,
	end_reason text NOT NULL,
	codec text,
	media_mode text NOT NULL,
	from_caller_packets bigint,
	from_caller_bytes bigint,
	from_caller_lost bigint,
	from_caller_relayed bigint,
	from_caller_jitter_us integer,
	from_caller_max_jitter_us integer,
	from_caller_mos real,
	from_caller_payload_type integer,
	from_callee_packets bigint,
	from_callee_bytes bigint,
	from_callee_lost bigint,
	from_callee_relayed bigint,
	from_callee_jitter_us integer,
	from_callee_max_jitter_us integer,
	from_callee_mos real,
	from_callee_payload_type integer,
	recorded_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (setup_time, call_id, attempt)
) PARTITION BY RANGE (setup_time);

CREATE INDEX cdr_call_id ON tandem.cdr (call_id);
CREATE INDEX cdr_routing_gateway ON tandem.cdr (routing_gateway, setup_time);
CREATE INDEX cdr_mapping_gateway ON tandem.cdr (mapping_gateway, setup_time);

-- Rows whose time belongs to no day that the writer would make a partition for: a clock that was never set, say.
CREATE TABLE tandem.cdr_default PARTITION OF tandem.cdr DEFAULT;

-- The partition for one day (UTC), made if it is missing; true when it was. Rows of that day which the default
-- partition holds move over, so that a day can always be added. Built beside the parent and then attached, because
-- ATTACH lets readers and other writers of tandem.cdr go on. Several nodes may call it at once, hence the lock.
CREATE FUNCTION tandem.cdr_add_partition(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	part text := 'cdr_' || to_char(day, 'YYYYMMDD');
	first timestamptz := day::timestamp AT TIME ZONE 'UTC';
	after timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
	IF to_regclass('tandem.' || part) IS NOT NULL THEN
		RETURN false;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('tandem.cdr_add_partition'));
	IF to_regclass('tandem.' || part) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE tandem.%I (LIKE tandem.cdr INCLUDING ALL)', part);
	LOCK TABLE tandem.cdr_default IN ACCESS EXCLUSIVE MODE;
	EXECUTE format('WITH moved AS (DELETE FROM tandem.cdr_default WHERE setup_time >= %L AND setup_time < %L RETURNING *)'
		' INSERT INTO tandem.%I SELECT * FROM moved', first, after, part);
	EXECUTE format('ALTER TABLE tandem.cdr ATTACH PARTITION tandem.%I FOR VALUES FROM (%L) TO (%L)', part, first, after);
	RETURN true;
END
$$;

-- Drops the partitions of the days before `day`; returns how many. For the operator's own retention job.
CREATE FUNCTION tandem.cdr_drop_before(day date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	part text;
	dropped integer := 0;
BEGIN
	FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'tandem.cdr'::regclass AND c.relname ~ '^cdr_[0-9]{8}$'
		AND to_date(substr(c.relname, 5), 'YYYYMMDD') < day
	LOOP
		EXECUTE format('DROP TABLE tandem.%I', part);
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
END
$$;

-- How far each spool has been loaded: moved in the transaction that commits the rows, and only from the value
-- that the writer knows. A spool directory has an id of its own; one that was thrown away leaves its row behind.
CREATE TABLE tandem.spool_position (
	node text NOT NULL,
	spool_id bigint NOT NULL,
	segment bigint NOT NULL,
	position bigint NOT NULL,
	records bigint NOT NULL,
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (node, spool_id)
);

-- Records that could not become a row: as they were in the spool (a protobuf CdrRecord), and why.
CREATE TABLE tandem.cdr_quarantine (
	node text NOT NULL,
	spool_id bigint NOT NULL,
	segment bigint NOT NULL,
	position bigint NOT NULL,
	quarantined_at timestamptz NOT NULL DEFAULT now(),
	sqlstate text,
	reason text NOT NULL,
	record bytea NOT NULL,
	PRIMARY KEY (node, spool_id, segment, position)
);

-- The words of cdr.end_reason and what they mean; filled by the writer from its own table at each start.
CREATE TABLE tandem.end_reason (
	word text PRIMARY KEY,
	number integer NOT NULL,
	q850_cause integer NOT NULL,
	meaning text NOT NULL
);

-- ---- for operators ------------------------------------------------------------------------------------------------

-- One row a call: its last attempt.
CREATE VIEW tandem.call AS
	SELECT * FROM tandem.cdr WHERE final;

-- How a vendor does, hour by hour: answer-seizure ratio in per cent, average call duration, post-dial delay. A 3xx is no
-- attempt (RFC 6076 section 4.6): where it leads is the next one. Nor is what was given up before an INVITE was sent.
CREATE VIEW tandem.asr_acd AS
	SELECT date_trunc('hour', setup_time) AS hour, routing_gateway,
		count(*) FILTER (WHERE sip_code BETWEEN 300 AND 399 IS NOT TRUE) AS attempts,
		count(answer_time) AS answered,
		round(100.0 * count(answer_time)
			/ nullif(count(*) FILTER (WHERE sip_code BETWEEN 300 AND 399 IS NOT TRUE), 0), 1) AS asr,
		justify_hours(avg(duration) FILTER (WHERE answer_time IS NOT NULL)) AS acd,
		round(avg(pdd_ms)) AS pdd_ms,
		round((extract(epoch FROM sum(duration)) / 60)::numeric, 2) AS minutes,
		round(avg(least(from_caller_mos, from_callee_mos))::numeric, 2) AS mos
	FROM tandem.cdr WHERE routing_gateway IS NOT NULL AND end_reason NOT IN ('BadRequest', 'Overload')
	GROUP BY 1, 2;

-- What a customer sent, hour by hour; a call counts once, however many vendors were tried.
CREATE VIEW tandem.customer_hour AS
	SELECT date_trunc('hour', setup_time) AS hour, mapping_gateway,
		count(*) AS calls,
		count(answer_time) AS answered,
		round(100.0 * count(answer_time) / count(*), 1) AS asr,
		justify_hours(avg(duration) FILTER (WHERE answer_time IS NOT NULL)) AS acd,
		round(avg(pdd_ms)) AS pdd_ms,
		round((extract(epoch FROM sum(duration)) / 60)::numeric, 2) AS minutes
	FROM tandem.cdr WHERE final
	GROUP BY 1, 2;

-- Why attempts failed.
CREATE VIEW tandem.failure AS
	SELECT date_trunc('hour', setup_time) AS hour, mapping_gateway, routing_gateway, end_reason, sip_code,
		count(*) AS attempts
	FROM tandem.cdr WHERE answer_time IS NULL
	GROUP BY 1, 2, 3, 4, 5;

INSERT INTO tandem.schema_version (version) VALUES (1);
