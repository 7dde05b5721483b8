/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/keepalive_burst.h"

enum { ENDPOINT = 1, ID, LAST = ID };

uint32_t keepalive_burst_write(const uint32_t *endpoint, const uint64_t *id, uint32_t count, uint8_t *to)
{
	uint8_t *start = wire_begin(to, ENDPOINT), *at = start;

	if (count == 0)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		at = wire_put_varint(at, endpoint[i]);
	at = wire_end(start, at);
	at = wire_put_varint(wire_put_tag(at, ID, WIRE_BYTES), count * sizeof(*id));
	for (uint32_t i = 0; i < count; i++, at += sizeof(*id)) {
		uint64_t little = htole64(id[i]);

		memcpy(at, &little, sizeof(little));
	}
	return (uint32_t)(at - to);
}

struct burst {
	uint32_t *endpoint;
	uint64_t *id;
	uint32_t endpoints, ids, most;
};

static int add_endpoint(struct burst *burst, uint64_t endpoint)
{
	if (burst->endpoints == burst->most)
		return -EBADMSG;
	burst->endpoint[burst->endpoints++] = (uint32_t)endpoint;
	return 0;
}

static int add_id(struct burst *burst, uint64_t id)
{
	if (burst->ids == burst->most)
		return -EBADMSG;
	burst->id[burst->ids++] = id;
	return 0;
}

static int read_endpoints(struct burst *burst, struct wire_text message)
{
	struct wire_reader reader = wire_reader(message);
	uint64_t endpoint;

	while (reader.at < reader.end)
		if (wire_get_varint(&reader, &endpoint) < 0 || add_endpoint(burst, endpoint) < 0)
			return -EBADMSG;
	return 0;
}

static int read_ids(struct burst *burst, struct wire_text message)
{
	struct wire_reader reader = wire_reader(message);
	uint64_t id;

	while (reader.at < reader.end)
		if (wire_get_fixed(&reader, sizeof(id), &id) < 0 || add_id(burst, id) < 0)
			return -EBADMSG;
	return 0;
}

/* Packed or one by one, in any number of pieces: a reader has to take them all. */
static int read_field(struct burst *burst, struct wire_field f)
{
	switch (f.tag) {
	case WIRE_TAG(ENDPOINT, WIRE_BYTES):
		return read_endpoints(burst, wire_text(f));
	case WIRE_TAG(ENDPOINT, WIRE_VARINT):
		return add_endpoint(burst, f.value);
	case WIRE_TAG(ID, WIRE_BYTES):
		return read_ids(burst, wire_text(f));
	case WIRE_TAG(ID, WIRE_FIXED64):
		return add_id(burst, f.value);
	}
	return wire_unknown(f, LAST);
}

int keepalive_burst_read(uint32_t *endpoint, uint64_t *id, uint32_t most, const uint8_t *bytes, uint32_t len)
{
	struct burst burst = {.endpoint = endpoint, .id = id, .most = most};
	struct wire_reader reader = wire_reader((struct wire_text){(const char *)bytes, len});
	struct wire_field f;
	int found, error = 0;

	while (error == 0 && (found = wire_next(&reader, &f)) != 0)
		error = found < 0 ? found : read_field(&burst, f);
	return error || burst.endpoints != burst.ids ? -EBADMSG : (int)burst.ids;
}
