-- SPDX-License-Identifier: Apache-2.0
-- What the comparison's Kamailio needs beyond Debian's standard-create.sql and acc-create.sql: who called whom.
-- The index on the start time, which comes with acc_cdrs, stays; no others, so that inserts are cheap.
ALTER TABLE acc_cdrs
	ADD COLUMN call_id VARCHAR(255) NOT NULL DEFAULT '',
	ADD COLUMN caller VARCHAR(64) NOT NULL DEFAULT '',
	ADD COLUMN callee VARCHAR(64) NOT NULL DEFAULT '',
	ADD COLUMN source VARCHAR(64) NOT NULL DEFAULT '',
	ADD COLUMN gateway VARCHAR(128) NOT NULL DEFAULT '';
