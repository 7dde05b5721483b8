/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/overload.h"

#include <string.h>

#include "signaling/keyed_hash.h"
#include "signaling/snapshot_signaling.h"
#include "signaling/transaction.h"

/* ---- how much ---------------------------------------------------------------------------------------------------- */

#define STEPS       32u /* down by so manyth after the first window, twice that after the second ... */
#define MOST_BEHIND 8u  /* ... but not for ever */

/*
 * Down within a twentieth of a second when far too much comes; up again by half of what the worker was idle in 10 ms,
 * and a little when it was not, since it may do better in larger bursts.
 */
void overload_window(struct overload *o)
{
	uint64_t admitted = OVERLOAD_ALL - o->share;
	unsigned int parts = o->share ? OVERLOAD_WINDOW_US / OVERLOAD_SHED_US : 1;

	if (o->caught_up) {
		o->behind = 0;
		admitted += (admitted * o->idle_us / (2 * o->ran_us) + admitted / (4 * STEPS)) / parts + 1;
	} else {
		o->behind += o->behind < MOST_BEHIND;
		admitted -= admitted * o->behind / STEPS;
	}
	if (admitted < OVERLOAD_LEAST)
		admitted = OVERLOAD_LEAST;
	o->share = admitted < OVERLOAD_ALL ? OVERLOAD_ALL - (uint32_t)admitted : 0;
	o->caught_up = false;
	o->ran_us = o->idle_us = 0;
}

/* ---- reading as little as possible ------------------------------------------------------------------------------- */

#define VIAS 8

/* What a response repeats. Values without the whitespace around them. */
struct lines {
	struct sip_text via[VIAS];
	unsigned int vias;
	struct sip_text from, to, call_id, cseq;
};

/* Nothing that would not stand in one line of a response: then it can be repeated as it came. */
static bool take_value(struct sip_text *out, const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*out = sip_text_span(at, end);
	return out->len && !memchr(at, '\r', out->len);
}

enum name { OTHER, VIA, FROM, TO, CALL_ID, CSEQ };

/* Letters as small ones; nothing else that may stand in a name becomes one. */
static uint32_t word(const char *at)
{
	uint32_t four;

	memcpy(&four, at, sizeof(four));
	return four | 0x20202020u;
}

#define IS_WORD(at, text) (word(at) == word(text))

/* Of the line that begins here; eight bytes may be read. *colon: where it should be, if the name is one of ours. */
static enum name name_of(const char *at, const char **colon)
{
	bool compact = at[1] == ':' || at[1] == ' ' || at[1] == '\t';

	*colon = at + 1;
	switch (at[0] | 0x20) {
	case 'v':
		if (compact)
			return VIA;
		*colon = at + 3;
		return (at[1] | 0x20) == 'i' && (at[2] | 0x20) == 'a' ? VIA : OTHER;
	case 'f':
		if (compact)
			return FROM;
		*colon = at + 4;
		return IS_WORD(at, "from") ? FROM : OTHER;
	case 't':
		if (compact)
			return TO;
		*colon = at + 2;
		return (at[1] | 0x20) == 'o' ? TO : OTHER;
	case 'i':
		return compact ? CALL_ID : OTHER;
	case 'c':
		*colon = at + 4;
		if (IS_WORD(at, "cseq"))
			return CSEQ;
		*colon = at + 7;
		return IS_WORD(at, "call") && IS_WORD(at + 3, "l-id") ? CALL_ID : OTHER;
	default:
		return OTHER;
	}
}

/* False: not as it is usually written. */
static bool take_line(struct lines *l, const char *at, const char *end)
{
	struct sip_text *const one[] = {[FROM] = &l->from, [TO] = &l->to, [CALL_ID] = &l->call_id, [CSEQ] = &l->cseq};
	const char *colon;
	enum name name = name_of(at, &colon);

	if (*at == ' ' || *at == '\t') /* the line before goes on */
		return false;
	if (name == OTHER)
		return true;
	if (colon >= end || *colon != ':')
		return *colon != ' ' && *colon != '\t'; /* another name that begins like it */
	if (name == VIA)
		return l->vias < VIAS && take_value(&l->via[l->vias++], colon + 1, end);
	return !one[name]->at && take_value(one[name], colon + 1, end);
}

/* From the line behind the request line on, up to the To if that will do. False: it is for who can read everything. */
static bool read_lines(struct lines *l, const char *at, const char *end, bool only_to)
{
	const char *start = at, *line_end;

	*l = (struct lines){.vias = 0};
	for (; (line_end = memchr(at, '\n', (size_t)(end - at))); at = line_end + 1) {
		if (line_end == at || line_end[-1] != '\r')
			return false;
		if (line_end - 1 == at)
			return !memchr(start, '\0', (size_t)(at - start)) && l->vias && l->from.at && l->to.at &&
			       l->call_id.at && l->cseq.at;
		if (end - at < 8 || !take_line(l, at, line_end - 1))
			return false;
		if (only_to && l->to.at)
			return true;
	}
	return false;
}

/* ---- refusing ---------------------------------------------------------------------------------------------------- */

static void put(char **at, const char *text, size_t len)
{
	memcpy(*at, text, len);
	*at += len;
}

#define PUT(at, literal) put((at), (literal), sizeof(literal) - 1)

static void put_line(char **at, const char *name, size_t len, struct sip_text value)
{
	put(at, name, len);
	put(at, value.at, value.len);
	PUT(at, "\r\n");
}

#define PUT_LINE(at, name, value) put_line((at), name ": ", sizeof(name ": ") - 1, (value))

/* RFC 3261 section 18.2.1, RFC 3581 section 4: an rport that has no value is where one goes. */
static void put_top_via(struct overload *o, char **at, const struct sip_via *via, const struct net_addr *source)
{
	const char *rest = via->text.at;

	if (!net_addr_equal(&o->peer, source)) {
		o->peer = *source;
		o->peer_len = (uint32_t)net_addr_print_ip(source, o->peer_text);
	}
	PUT(at, "Via: ");
	if (via->has_rport) {
		char digits[5];
		unsigned int i = sizeof(digits), port = source->port;

		rest = sip_text_end(via->rport_param);
		put(at, via->text.at, (size_t)(rest - via->text.at));
		do
			digits[--i] = (char)('0' + port % 10);
		while (port /= 10);
		PUT(at, "=");
		put(at, digits + i, sizeof(digits) - i);
	}
	put(at, rest, (size_t)(sip_text_end(via->text) - rest));
	if (via->has_rport || !sip_text_equal_nocase(via->host, sip_text(o->peer_text, o->peer_len))) {
		PUT(at, ";received=");
		put(at, o->peer_text, o->peer_len);
	}
	PUT(at, "\r\n");
}

static void refuse(struct engine *engine, const struct sip_flow *flow, const struct lines *l, const struct sip_via *via,
		   struct text_hash key)
{
	/* The same each time the INVITE comes. Of the key itself nobody may learn anything (text_hash.h). */
	uint64_t told = keyed_hash(engine->hash_key, 0x73686564, &key, sizeof(key));
	struct identifier_tag tag = {engine->worker, IDENTIFIER_SHED_SLOT, (uint32_t)told};
	struct sip_flow to = *flow;
	char *at = (char *)engine->scratch, *tag_at;

	PUT(&at, "SIP/2.0 503 Service Unavailable\r\n");
	put_top_via(&engine->overload, &at, via, &flow->remote);
	for (unsigned int i = 1; i < l->vias; i++)
		PUT_LINE(&at, "Via", l->via[i]);
	PUT_LINE(&at, "From", l->from);
	PUT(&at, "To: ");
	put(&at, l->to.at, l->to.len);
	PUT(&at, ";tag=");
	tag_at = at;
	at += IDENTIFIER_TAG;
	identifier_tag_print(&tag, engine->hash_key, tag_at);
	PUT(&at, "\r\n");
	PUT_LINE(&at, "Call-ID", l->call_id);
	PUT_LINE(&at, "CSeq", l->cseq);
	PUT(&at, "Retry-After: ");
	*at++ = (char)('1' + (told >> 32) % OVERLOAD_RETRY_MAX);
	PUT(&at, "\r\nContent-Length: 0\r\n\r\n");
	if (!via->has_rport)
		to.remote.port = via->port ? via->port : 5060;
	engine->io.send(engine->io.context, &to, engine->scratch, (uint32_t)(at - (char *)engine->scratch));
}

/* Of the form that nearly all have, which is worth a way of its own; no dialog's, and not asked before. */
static bool is_plain(const struct lines *l, struct sip_via *via)
{
	const char *cseq_end = sip_text_end(l->cseq);

	if (l->to.at[l->to.len - 1] != '>' || l->cseq.len < 8 || memcmp(cseq_end - 7, " INVITE", 7) != 0)
		return false;
	return sip_via_parse(via, l->via[0]) == 0 && via->text.len == l->via[0].len && via->version_ok &&
	       via->branch_is_rfc3261 && !via->received.at && !via->rport;
}

static bool receive_invite(struct engine *engine, const struct sip_flow *flow, const char *at, const char *end)
{
	struct text_hash key;
	struct sip_via via;
	struct lines l;

	/* Who must not be answered is known only to who reads everything. */
	if (!engine->snapshot->parameters->reply_unauthorized || !read_lines(&l, at, end, false) ||
	    !is_plain(&l, &via) || transaction_stands(engine, &via, &key) ||
	    !overload_refuses(&engine->overload, key.b))
		return false;
	refuse(engine, flow, &l, &via, key);
	counter_inc(engine->counters, COUNTER_signaling_calls_shed);
	return true;
}

/* By the tag that refuse() made. */
static bool receive_ack(struct engine *engine, const char *at, const char *end)
{
	static const char mark[] = ";tag=";
	struct identifier_tag id;
	struct sip_text tag;
	struct lines l;

	if (!read_lines(&l, at, end, true) || l.to.len < sizeof(mark) - 1 + IDENTIFIER_TAG)
		return false;
	tag = sip_text(sip_text_end(l.to) - IDENTIFIER_TAG, IDENTIFIER_TAG);
	if (memcmp(tag.at - (sizeof(mark) - 1), mark, sizeof(mark) - 1) != 0 ||
	    identifier_tag_parse(&id, engine->hash_key, tag) != 0 || id.slot != IDENTIFIER_SHED_SLOT)
		return false;
	counter_inc(engine->counters, COUNTER_signaling_acks_shed);
	return true;
}

bool overload_receive(struct engine *engine, const struct sip_flow *flow, const uint8_t *data, uint32_t len)
{
	static const char version[] = " SIP/2.0\r";
	const char *at = (const char *)data, *end = at + len, *line_end;
	bool invite = len > 7 && memcmp(at, "INVITE ", 7) == 0;

	if (!invite && (len < 4 || memcmp(at, "ACK ", 4) != 0))
		return false;
	line_end = memchr(at, '\n', len);
	if (!line_end || line_end - at < (ptrdiff_t)sizeof(version) ||
	    memcmp(line_end - (sizeof(version) - 1), version, sizeof(version) - 1) != 0 ||
	    len + 512 > ENGINE_MESSAGE_MAX)
		return false;
	return invite ? receive_invite(engine, flow, line_end + 1, end) : receive_ack(engine, line_end + 1, end);
}
