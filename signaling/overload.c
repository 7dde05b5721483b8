/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/overload.h"

#include <string.h>
#include <strings.h>

#include "signaling/snapshot_signaling.h"
#include "signaling/transaction.h"

/* ---- how much ---------------------------------------------------------------------------------------------------- */

#define STEPS       32u /* down by so manyth after the first window, twice that after the second ... */
#define MOST_BEHIND 8u  /* ... but not for ever */

/*
 * Down within a tenth of a second when far too much comes; up again by half of what the worker was idle, and a little
 * when it was not, since it may do better in larger bursts.
 */
void overload_window(struct overload *o)
{
	uint64_t admitted = OVERLOAD_ALL - o->share;

	if (o->caught_up) {
		o->behind = 0;
		admitted += admitted * o->idle_us / (2 * o->ran_us) + admitted / (4 * STEPS) + 1;
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
	return out->len && !memchr(at, '\r', out->len) && !memchr(at, '\0', out->len);
}

enum found { OTHER, TAKEN, UNUSUAL };

/* Is it the line of this name, in full or compact, and as it is usually written? */
static enum found match(struct sip_text *out, const char *at, const char *end, const char *name, size_t len,
			char compact)
{
	if (end - at > 2 && sip_lower(at[0]) == compact && (at[1] == ':' || at[1] == ' ' || at[1] == '\t'))
		return at[1] == ':' && take_value(out, at + 2, end) ? TAKEN : UNUSUAL;
	if ((size_t)(end - at) <= len || strncasecmp(at, name, len) != 0)
		return OTHER;
	if (at[len] == ':')
		return take_value(out, at + len + 1, end) ? TAKEN : UNUSUAL;
	return at[len] == ' ' || at[len] == '\t' ? UNUSUAL : OTHER;
}

static enum found once(struct sip_text *out, const char *at, const char *end, const char *name, size_t len,
		       char compact)
{
	struct sip_text value;
	enum found found = match(&value, at, end, name, len, compact);

	if (found != TAKEN)
		return found;
	if (out->at)
		return UNUSUAL;
	*out = value;
	return TAKEN;
}

static enum found take_line(struct lines *l, const char *at, const char *end)
{
	enum found found;

	switch (sip_lower(*at)) {
	case 'v':
		found = l->vias < VIAS ? match(&l->via[l->vias], at, end, "Via", 3, 'v') : UNUSUAL;
		l->vias += found == TAKEN;
		return found;
	case 'f':
		return once(&l->from, at, end, "From", 4, 'f');
	case 't':
		return once(&l->to, at, end, "To", 2, 't');
	case 'i':
		return once(&l->call_id, at, end, "Call-ID", 7, 'i');
	case 'c':
		found = once(&l->call_id, at, end, "Call-ID", 7, 'i');
		return found == OTHER ? once(&l->cseq, at, end, "CSeq", 4, '\0') : found;
	case ' ': /* the line before goes on */
	case '\t':
		return UNUSUAL;
	default:
		return OTHER;
	}
}

/* From the line behind the request line on. False: it is for who can read everything. */
static bool read_lines(struct lines *l, const char *at, const char *end)
{
	const char *line_end;

	*l = (struct lines){.vias = 0};
	for (; (line_end = memchr(at, '\n', (size_t)(end - at))); at = line_end + 1) {
		if (line_end == at || line_end[-1] != '\r')
			return false;
		if (line_end - 1 == at)
			return l->vias && l->from.at && l->to.at && l->call_id.at && l->cseq.at;
		if (take_line(l, at, line_end - 1) == UNUSUAL)
			return false;
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
	struct identifier_tag tag = {engine->worker, IDENTIFIER_SHED_SLOT, (uint32_t)key.a};
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
	*at++ = (char)('1' + key.a % OVERLOAD_RETRY_MAX);
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
	if (!engine->snapshot->parameters->reply_unauthorized || !read_lines(&l, at, end) || !is_plain(&l, &via) ||
	    transaction_stands(engine, &via, &key) || !overload_refuses(&engine->overload, key.b))
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

	if (!read_lines(&l, at, end) || l.to.len < sizeof(mark) - 1 + IDENTIFIER_TAG)
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
