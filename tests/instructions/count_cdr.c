/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions a call record costs on its way: packed for the ring, put into the spool, made a row of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdrwriter/batch.h"
#include "cdrwriter/spool.h"
#include "common/end_reason.h"
#include "count.h"

#define RECORDS 500u
#define BODY    1024u

static uint8_t body[RECORDS][BODY];
static uint32_t length[RECORDS];
static struct spool spool;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "count-cdr: %s\n", what);
	exit(1);
}

static struct wire_text text(const char *text)
{
	return (struct wire_text){text, (uint32_t)strlen(text)};
}

/* An answered call through a gateway, with figures of both directions. */
static uint32_t pack(uint32_t n, uint8_t *to)
{
	static const struct net_addr addr = {.ip = {192, 0, 2, 1}, .port = 5060, .family = NET_IP4};
	const int64_t setup_us = 1767225600000000 + n;
	char id[16] = {[12] = (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
	struct cdr_record record = {
	    .call_id = {id, sizeof(id)},
	    .attempt = 1,
	    .final = true,
	    .node = text("tandem-1"),
	    .caller_sip_call_id = text("7f3a2b1c-4d5e-6f70@198.51.100.7"),
	    .callee_sip_call_id = text("00a1b2c3d4e5f60718293a4b5c6d7e8f"),
	    .caller_number_in = text("+4930123456"),
	    .callee_number_in = text("+43199999123"),
	    .mapping_gateway = text("customer-17"),
	    .routing_gateway = text("vendor-123"),
	    .caller_address = addr,
	    .callee_address = addr,
	    .setup_us = setup_us,
	    .progress_us = setup_us + 120000,
	    .answer_us = setup_us + 3000000,
	    .end_us = setup_us + 63250000,
	    .pdd_ms = 120,
	    .duration_us = 60250000,
	    .sip_code = 200,
	    .q850_cause = 16,
	    .end_direction = END_BY_CALLER,
	    .end_reason = END_NORMAL,
	    .codec = text("PCMA"),
	    .has_figures = {true, true},
	};

	for (unsigned int side = 0; side < CALL_SIDES; side++)
		record.figures[side] = (struct call_direction_figures){
		    .packets = 3000, .bytes = 516000, .lost = 3, .jitter_us = 1250, .mos_x100 = 438};
	must(cdr_record_room(&record) <= BODY, "a record is longer than expected");
	return cdr_record_write(&record, to);
}

static void spool_all(void)
{
	count_begin();
	for (uint32_t i = 0; i < RECORDS; i++)
		must(spool_group_add(&spool, 0, 1, i + 1, body[i], length[i]), "the group is full");
	must(spool_group_commit(&spool) == 0, "commit");
	count_end("cdr: a record into the spool", RECORDS);
}

static void make_rows(void)
{
	static struct batch batch;
	struct batch_reader reader;
	struct spool_place first = {.segment = 0};

	must(batch_reader_init(&reader, &spool) == 0, "memory");
	for (int i = 0; i < COUNT_REPEAT + 1; i++) {
		batch_reader_seek(&reader, &first);
		if (i == 1) /* the first time the buffers grow */
			count_begin();
		must(batch_begin(&batch, &reader) == 0 && batch_add(&batch, &reader, RECORDS) == 0 &&
			 batch_close(&batch) == 0 && batch.count == RECORDS && !batch.fault,
		     "batch");
	}
	count_end("cdr: a row of a record in the spool", RECORDS);
	batch_fini(&batch);
	batch_reader_fini(&reader);
}

int main(void)
{
	char directory[] = "/tmp/count-cdr-XXXXXX", command[64];

	must(mkdtemp(directory) != NULL && spool_open(&spool, directory, 4u << 20, 1000) == 0, "the spool");
	count_begin();
	for (uint32_t i = 0; i < RECORDS; i++)
		for (int n = 0; n < COUNT_REPEAT; n++)
			length[i] = pack(i, body[i]);
	count_end("cdr: a record packed", RECORDS);
	spool_all();
	make_rows();
	spool_close(&spool);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command) != 0;
}
