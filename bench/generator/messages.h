/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out: prepared texts, and a writer that builds messages straight in a port's buffer. */
#ifndef TANDEM_GENERATOR_MESSAGES_H
#define TANDEM_GENERATOR_MESSAGES_H

#include <string.h>

#include "common/port.h"
#include "link.h"
#include "scenario.h"
#include "stats.h"
#include "template.h"

struct call;
struct generator;

#define MESSAGE_ROOM 1900

struct place_text {
	char text[NET_ADDR_TEXT];
	uint32_t len;
};

/* Made once by the main thread. */
struct messages {
	struct template invite;  /* up to where credentials may be put */
	struct template request; /* of the customer's other requests: from the end of the URI to the To */
	struct template media[MAX_RANGE_ADDRESSES]; /* Content-Type to the end of the SDP; {k}: whose */
	struct place_text customer, target;         /* with port */
	char received[NET_ADDR_TEXT + 24];          /* what RFC 3581 adds to a Via of the switch's */
	uint32_t received_len;
	struct place_text *vendor;
	char run[9];
};

struct messages *messages_new(const struct scenario *scenario, const struct link *link, uint32_t run);
void messages_free(struct messages *messages);

/* A message on its way. */
struct writer {
	struct datagram datagram;
	char *at, *end;
	unsigned int port;
	struct call *call; /* NULL: of none */
	bool overflow;
};

/* False: no buffer (counted by the port). */
bool writer_begin(struct generator *g, struct writer *w, struct call *call, unsigned int port,
		  const struct net_addr *local, const struct net_addr *remote);
/* Sends it, or drops and counts what became too long. */
void writer_end(struct generator *g, struct writer *w, enum role role, enum message_type type, bool again);

static inline void put(struct writer *w, const char *text, size_t len)
{
	if ((size_t)(w->end - w->at) < len) {
		w->overflow = true;
		return;
	}
	memcpy(w->at, text, len);
	w->at += len;
}

#define PUT(w, literal) put((w), (literal), sizeof(literal) - 1)

static inline void put_span(struct writer *w, struct span span)
{
	put(w, span.at, span.len);
}

static inline void put_template(struct writer *w, const struct template *t, const struct template_values *values)
{
	if ((size_t)(w->end - w->at) < t->len)
		w->overflow = true;
	else
		w->at = template_fill(t, w->at, values);
}

void put_number(struct writer *w, uint32_t value);
/* "z9hG4bK", kind, id, run. */
void put_branch(struct writer *w, const struct generator *g, char kind, const char id[static ID_HEX]);
/* "SIP/2.0 486 Busy Here\r\n" */
void put_status(struct writer *w, unsigned int code);

/*
 * Answer a request from nothing but itself; `tag` is added to the To when it has none (NULL: don't). `tail` is what
 * follows CSeq, its blank line and body included; NULL: no body. `code` to the method `view` has, or, when `as_invite`,
 * to the INVITE that this CANCEL is about.
 */
struct plain_response {
	struct call *call; /* NULL: of none that is known */
	unsigned int port, code;
	enum role role;
	const char *tag;
	uint32_t tag_len;
	const struct template *tail;
	const struct template_values *values;
	bool as_invite, again;
};
void respond_plainly(struct generator *g, const struct sip_view *view, const struct datagram *to,
		     const struct plain_response *how);

#endif
