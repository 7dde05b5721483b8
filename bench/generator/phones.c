/* SPDX-License-Identifier: Apache-2.0 */
#include "phones.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "generator.h"

#define T1_NS   500000000ull
#define T2_NS   4000000000ull
#define RESENDS 10

enum phone_state { PHONE_IDLE, PHONE_ASKED, PHONE_AUTHORIZING, PHONE_REGISTERED, PHONE_FAILED };

struct phone {
	struct timer timer;
	uint64_t due_ns;  /* of its first REGISTER */
	uint64_t slot_ns; /* of its first HELLO */
	uint32_t heard;   /* HELLOs */
	uint32_t last;    /* period, counted from slot_ns, of the last one */
	uint8_t state, resends;
	uint16_t cseq;
};

struct phone_load {
	struct phone *phone;
	uint32_t count, asked;
	uint64_t first_user;
	uint32_t per_address;
	struct phone_counts counts;
};

const struct phone_counts *phones_counts(const struct generator *g)
{
	return g->phones ? &g->phones->counts : NULL;
}

int phones_init(struct generator *g)
{
	const struct registration_options *r = &g->scenario->registrations;
	struct phone_load *load;

	if (r->endpoints == 0)
		return 0;
	load = calloc(1, sizeof(*load));
	if (!load)
		return -ENOMEM;
	load->phone = mmap(NULL, r->endpoints * sizeof(struct phone), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (load->phone == MAP_FAILED) {
		free(load);
		return -ENOMEM;
	}
	load->count = r->endpoints;
	load->first_user = strtoull(r->user, NULL, 10);
	load->per_address = g->link->phones.last - g->link->phones.first + 1u;
	g->phones = load;
	return 0;
}

void phones_fini(struct generator *g)
{
	if (!g->phones)
		return;
	munmap(g->phones->phone, g->phones->count * sizeof(struct phone));
	free(g->phones);
	g->phones = NULL;
}

/* ---- REGISTER ------------------------------------------------------------------------------------------------ */

static void on_timer(struct timer *timer, void *context);

static struct net_addr phone_address(const struct generator *g, uint32_t index, unsigned int *address)
{
	struct net_addr addr;

	*address = index / g->phones->per_address;
	addr = g->link->phones.address[*address];
	addr.port = (uint16_t)(g->link->phones.first + index % g->phones->per_address);
	return addr;
}

/* `credentials`: a whole line, or empty. */
static void send_register(struct generator *g, uint32_t index, struct span credentials, bool again)
{
	struct phone *phone = &g->phones->phone[index];
	const struct registration_options *options = &g->scenario->registrations;
	unsigned long long user = g->phones->first_user + index;
	char text[1024], host[NET_ADDR_TEXT], contact[NET_ADDR_TEXT + sizeof(options->contact)], id[ID_HEX + 1];
	struct template_values values;
	unsigned int address;
	struct net_addr local = phone_address(g, index, &address);
	struct writer w;
	int len;

	if (!writer_begin(g, &w, NULL, g->phone_port[address], &local, &g->link->target))
		return;
	net_addr_print(&local, host);
	if (options->contact[0])
		snprintf(contact, sizeof(contact), "%s:5060", options->contact);
	else
		snprintf(contact, sizeof(contact), "%s", host);
	values_id(&values, index, phone->cseq);
	memcpy(id, values.id, ID_HEX);
	id[ID_HEX] = 0;
	len =
	    snprintf(text, sizeof(text),
		     "REGISTER sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=" BRANCH_COOKIE "p%s%s\r\n"
		     "Max-Forwards: 70\r\nFrom: <sip:%llu@%s>;tag=p%.8s\r\nTo: <sip:%llu@%s>\r\nCall-ID: p%.8s%s\r\n"
		     "CSeq: %u REGISTER\r\nContact: <sip:%llu@%s>\r\nExpires: %u\r\n",
		     g->messages->target.text, contact, id, g->messages->run, user, g->messages->target.text, id, user,
		     g->messages->target.text, id, g->messages->run, phone->cseq, user, contact, options->expires);
	put(&w, text, (size_t)len);
	put_span(&w, credentials);
	PUT(&w, "Content-Length: 0\r\n\r\n");
	writer_end(g, &w, ROLE_PHONE, MESSAGE_TYPE_REGISTER, again);
}

static void begin(struct generator *g, uint32_t index, bool again)
{
	struct phone *phone = &g->phones->phone[index];
	uint64_t in_ns = T1_NS << (phone->resends < 3 ? phone->resends : 3);

	phone->state = PHONE_ASKED;
	phone->cseq += !again;
	send_register(g, index, (struct span){0}, again);
	timer_start(&g->wheel, &phone->timer, wheel_time(g->now_ns + (in_ns < T2_NS ? in_ns : T2_NS)), on_timer);
}

static void on_timer(struct timer *timer, void *context)
{
	struct generator *g = context;
	struct phone *phone = (struct phone *)timer;
	uint32_t index = (uint32_t)(phone - g->phones->phone);

	if (++phone->resends > RESENDS) {
		phone->state = PHONE_FAILED;
		tally_add(&g->phones->counts.timed_out, 1);
		return;
	}
	stat_inc(g->phase, STAT_resent);
	/* The answer to the second one was lost: from the beginning, since its nonce is not kept. */
	begin(g, index, phone->state == PHONE_ASKED);
}

static_assert(offsetof(struct phone, timer) == 0, "found by its timer");

bool phones_register(struct generator *g, uint64_t due_ns)
{
	struct phone_load *load = g->phones;

	if (!load || load->asked == load->count)
		return false;
	latency_add(g->phase, LATENCY_schedule, due_ns, g->now_ns);
	load->phone[load->asked].due_ns = due_ns;
	begin(g, load->asked++, false);
	tally_add(&load->counts.asked, 1);
	return load->asked < load->count;
}

static bool authorize(struct generator *g, uint32_t index, const struct sip_view *view)
{
	struct phone *phone = &g->phones->phone[index];
	char user[24], uri[NET_ADDR_TEXT + 8], line[1024];
	int len;

	snprintf(user, sizeof(user), "%llu", (unsigned long long)g->phones->first_user + index);
	snprintf(uri, sizeof(uri), "sip:%s", g->messages->target.text);
	len = authorization_write(g->authorization, view->whole, user, g->scenario->registrations.password, "REGISTER",
				  uri, line, sizeof(line));
	if (len <= 0)
		return false;
	phone->state = PHONE_AUTHORIZING;
	phone->cseq++;
	send_register(g, index, (struct span){line, (uint32_t)len}, false);
	timer_start(&g->wheel, &phone->timer, wheel_time(g->now_ns + T1_NS), on_timer);
	return true;
}

static void on_response(struct generator *g, uint32_t index, const struct sip_view *view)
{
	struct phone *phone = &g->phones->phone[index];
	bool current =
	    view->cseq_number == phone->cseq && (phone->state == PHONE_ASKED || phone->state == PHONE_AUTHORIZING);

	message_count(g, ROLE_PHONE, RECEIVED, message_type(VIEW_REGISTER, view->code));
	if (!current || view->code < 200) {
		if (view->code >= 200)
			message_count(g, ROLE_PHONE, RECEIVED_AGAIN, message_type(VIEW_REGISTER, view->code));
		return;
	}
	if ((view->code == 401 || view->code == 407) && phone->state == PHONE_ASKED && authorize(g, index, view))
		return;
	timer_stop(&g->wheel, &phone->timer);
	if (view->code < 300) {
		phone->state = PHONE_REGISTERED;
		tally_add(&g->phones->counts.registered, 1);
		latency_add(g->phase, LATENCY_register_200, phone->due_ns, g->now_ns);
	} else {
		phone->state = PHONE_FAILED;
		tally_add(&g->phones->counts.refused, 1);
	}
}

/* ---- HELLO --------------------------------------------------------------------------------------------------- */

static void on_hello(struct generator *g, struct phone *phone)
{
	uint64_t period_ns = g->scenario->registrations.period_ns, since, periods, slot;

	tally_add(&g->phones->counts.hellos, 1);
	if (phone->heard++ == 0) {
		phone->slot_ns = g->now_ns;
		tally_add(&g->phones->counts.endpoints_heard, 1);
		return;
	}
	since = g->now_ns - phone->slot_ns;
	periods = (since + period_ns / 2) / period_ns;
	slot = periods * period_ns;
	histogram_add(&g->phones->counts.deviation, since > slot ? since - slot : slot - since);
	if (periods > phone->last + 1)
		tally_add(&g->phones->counts.missed, periods - phone->last - 1);
	phone->last = (uint32_t)periods;
}

void phones_receive(struct generator *g, uint32_t index, const struct datagram *d)
{
	const char *hello = g->scenario->registrations.hello;
	struct sip_view view;
	struct identity id;

	if (!g->phones || index >= g->phones->count) {
		tally_add(&g->stray, 1);
		return;
	}
	if (d->len == strlen(hello) && memcmp(d->data, hello, d->len) == 0)
		on_hello(g, &g->phones->phone[index]);
	else if (sip_view_read(&view, (const char *)d->data, d->len) == 0 && view.code != 0 &&
		 identity_of_branch(&id, view.via[0], g->run) && id.slot == index)
		on_response(g, index, &view);
	else
		tally_add(&g->phones->counts.foreign, 1);
}

void phones_finish(struct generator *g)
{
	uint64_t period_ns = g->scenario->registrations.period_ns;

	if (!g->phones)
		return;
	for (uint32_t i = 0; i < g->phones->count; i++) {
		const struct phone *phone = &g->phones->phone[i];
		uint64_t periods;

		if (phone->heard == 0)
			continue;
		periods = (g->now_ns - phone->slot_ns - period_ns / 2) / period_ns;
		if (g->now_ns > phone->slot_ns + period_ns / 2 && periods > phone->last)
			tally_add(&g->phones->counts.missed, periods - phone->last);
	}
}
