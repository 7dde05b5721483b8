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

/* An answered call through a gateway, with figures of both directions. */
static uint32_t pack(uint32_t n, uint8_t *to)
{
	Tandem__CdrRecord record = TANDEM__CDR_RECORD__INIT;
	Tandem__Address caller = TANDEM__ADDRESS__INIT, callee = TANDEM__ADDRESS__INIT;
	Tandem__MediaStatistics media = TANDEM__MEDIA_STATISTICS__INIT;
	Tandem__MediaDirection direction = TANDEM__MEDIA_DIRECTION__INIT;
	uint8_t id[16] = {[12] = (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
	uint8_t ip4[4] = {192, 0, 2, 1};

	record.call_id = (ProtobufCBinaryData){.len = sizeof(id), .data = id};
	record.attempt = record.final = 1;
	record.node = (char *)(uintptr_t) "tandem-1";
	record.caller_sip_call_id = (char *)(uintptr_t) "7f3a2b1c-4d5e-6f70@198.51.100.7";
	record.callee_sip_call_id = (char *)(uintptr_t) "00a1b2c3d4e5f60718293a4b5c6d7e8f";
	record.caller_number_in = (char *)(uintptr_t) "+4930123456";
	record.callee_number_in = (char *)(uintptr_t) "+43199999123";
	record.mapping_gateway = (char *)(uintptr_t) "customer-17";
	record.routing_gateway = (char *)(uintptr_t) "vendor-123";
	caller.ip = callee.ip = (ProtobufCBinaryData){.len = sizeof(ip4), .data = ip4};
	caller.port = callee.port = 5060;
	record.caller_address = &caller;
	record.callee_address = &callee;
	record.setup_us = 1767225600000000 + n;
	record.progress_us = record.setup_us + 120000;
	record.answer_us = record.setup_us + 3000000;
	record.end_us = record.setup_us + 63250000;
	record.pdd_ms = 120;
	record.duration_us = 60250000;
	record.sip_code = 200;
	record.q850_cause = 16;
	record.end_direction = END_BY_CALLER;
	record.end_reason = END_NORMAL;
	record.codec = (char *)(uintptr_t) "PCMA";
	direction.packets = 3000;
	direction.bytes = 516000;
	direction.lost = 3;
	direction.jitter_us = 1250;
	direction.mos_x100 = 438;
	media.caller_to_callee = media.callee_to_caller = &direction;
	record.media = &media;
	must(tandem__cdr_record__get_packed_size(&record) <= BODY, "a record is longer than expected");
	return (uint32_t)tandem__cdr_record__pack(&record, to);
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
		must(batch_fill(&batch, &reader, RECORDS) == 0 && batch.count == RECORDS && !batch.fault, "batch");
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
