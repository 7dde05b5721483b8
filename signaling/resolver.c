/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/process.h"
#include "signaling/dns.h"
#include "signaling/gateway_address.h"

#define SERVERS       CONFIG_NAME_SERVERS
#define ROUNDS        2u /* each server is asked so many times */
#define AT_ONCE       64u
#define TTL_LEAST_S   5u
#define TTL_MOST_S    86400u
#define RETRY_LEAST_S 5u
#define RETRY_MOST_S  60u
#define SIP_PORT      5060u
#define WEIGHT_PARTS  840u /* a target's weight, times this, is divided evenly by up to eight addresses */

/* A name that a gateway is known by. */
struct wish {
	struct party *party; /* never freed */
	uint16_t port;       /* 0: SRV says */
	char host[DNS_NAME];
};

struct target {
	uint16_t priority, weight, port;
	char host[DNS_NAME];
};

/* A wish, and its look-up: one question at a time. Made by housekeeping, which can say that there is no memory. */
struct name {
	struct wish wish;
	uint64_t due_us; /* when it is looked up next */
	unsigned int failures;
	bool active;

	int fd; /* -1: no question is out */
	struct dns_question question;
	unsigned int tries;
	uint64_t deadline_us;
	bool junk;           /* what came was no answer to it */
	const char *failure; /* of its last try, for the log */

	struct target target[GATEWAY_ADDRESSES];     /* hosts whose addresses are to be found */
	unsigned int target_count, target_at, first; /* first: of target_at's addresses in found */
	struct gateway_addresses found;
	uint32_t ttl_s;
	bool lacks;        /* a target has no address, and a question about it was not answered: there may be more */
	bool target_lacks; /* such a question about target_at */
	const char *why;   /* nothing, or not all, was found, for the log; NULL: not so */
};

struct settings {
	struct signaling_state *state;
	struct net_addr server[SERVERS];
	unsigned int servers, timeout_ms;
};

struct resolver {
	struct counter_row *counters;
	pthread_t thread;
	bool started;
	int core;
	int bell; /* eventfd */
	_Atomic bool stopping;
	pthread_mutex_t lock; /* over what housekeeping hands over: */
	struct name *wishes;
	unsigned int wishes_count;
	struct settings wished;
	bool changed;
	/* the thread's own: */
	struct settings settings;
	struct name *names;
	unsigned int count, active;
	bool moved; /* somebody has other addresses than resolved_vendors knows */
	uint64_t now_us;
};

/* FNV-1a. */
static uint64_t wish_hash(const struct wish *wish)
{
	uint64_t hash = 14695981039346656037ull ^ wish->port;

	for (const char *at = wish->host; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 1099511628211ull;
	return hash;
}

/* ---- one question ---- */

static void hang_up(struct name *name)
{
	if (name->fd >= 0)
		close(name->fd);
	name->fd = -1;
}

static socklen_t sockaddr_of(const struct net_addr *addr, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (addr->family == NET_IP4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(addr->port);
		memcpy(&in->sin_addr, addr->ip, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(addr->port);
	memcpy(&in6->sin6_addr, addr->ip, 16);
	return sizeof(*in6);
}

/* A socket of its own for each: the kernel picks the port, and takes nothing from elsewhere. */
static bool ask(struct resolver *r, struct name *name)
{
	const struct net_addr *server = &r->settings.server[name->tries % r->settings.servers];
	struct sockaddr_storage addr;
	socklen_t addr_len = sockaddr_of(server, &addr);
	uint8_t message[512];
	int len;

	if (getrandom(&name->question.id, sizeof(name->question.id), 0) != sizeof(name->question.id))
		return false;
	len = dns_question_write(&name->question, message, sizeof(message));
	if (len < 0)
		return false;
	name->fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	name->failure = "the name server cannot be reached";
	if (name->fd < 0)
		return false;
	counter_inc(r->counters, COUNTER_resolver_queries);
	if (connect(name->fd, (struct sockaddr *)&addr, addr_len) != 0 ||
	    send(name->fd, message, (size_t)len, 0) != len) {
		hang_up(name);
		return false;
	}
	name->deadline_us = r->now_us + r->settings.timeout_ms * US_PER_MS;
	return true;
}

static void step_failed(struct resolver *r, struct name *name);

/* Ask, or ask again: another server, if there is one. */
static void ask_next(struct resolver *r, struct name *name)
{
	hang_up(name);
	while (name->tries < ROUNDS * r->settings.servers) {
		bool asked = ask(r, name);

		name->tries++;
		if (asked)
			return;
	}
	step_failed(r, name);
}

static void question(struct resolver *r, struct name *name, enum dns_type type, const char *prefix, const char *host)
{
	name->question.type = type;
	name->failure = "it cannot be asked for";
	name->junk = false;
	if (snprintf(name->question.name, sizeof(name->question.name), "%s%s", prefix, host) >=
	    (int)sizeof(name->question.name)) {
		step_failed(r, name);
		return;
	}
	name->tries = 0;
	ask_next(r, name);
}

/* ---- where they are ---- */

static void publish(struct resolver *r, const struct wish *wish, struct gateway_addresses *next)
{
	gateway_addresses_publish(wish->party, next, next ? wish_hash(wish) : 0, r->now_us);
	r->moved = true;
}

/* All of them in one set (source.c). Without memory the one before stays until the next turn. */
static void gather(struct resolver *r)
{
	struct address_set *all = r->moved ? address_set_new(r->count * GATEWAY_ADDRESSES) : NULL;

	if (all == NULL)
		return;
	for (unsigned int i = 0; i < r->count; i++) {
		const struct gateway_addresses *of = r->names[i].wish.party->vendor->addresses;

		for (unsigned int n = 0; of != NULL && n < of->count; n++)
			address_set_add(all, &of->target[n].addr);
	}
	all = __atomic_exchange_n(&r->settings.state->resolved_vendors, all, __ATOMIC_SEQ_CST);
	synchronize_rcu();
	SNAPSHOT_WAITED();
	free(all);
	r->moved = false;
}

/* ---- the end of a look-up ---- */

static void over(struct resolver *r, struct name *name, uint64_t again_s)
{
	hang_up(name);
	name->active = false;
	r->active--;
	name->due_us = r->now_us + again_s * US_PER_S;
}

static void failed(struct resolver *r, struct name *name)
{
	uint64_t again_s = name->failures < 4 ? RETRY_LEAST_S << name->failures : RETRY_MOST_S;
	bool stale = name->wish.party->vendor->addresses != NULL;

	counter_inc(r->counters, COUNTER_resolver_failures);
	if (stale)
		counter_inc(r->counters, COUNTER_resolver_stale);
	if (name->failures++ == 0)
		log_warn("resolver", "gateway=%s: no address of %s can be found (%s); %s", name->wish.party->name,
			 name->wish.host, name->why, stale ? "it is called where it was" : "it is passed over");
	over(r, name, again_s);
}

static bool is_new(const struct name *name)
{
	const struct gateway_addresses *old = name->wish.party->vendor->addresses;

	return old == NULL || memcmp(old, &name->found, sizeof(*old)) != 0;
}

static int compare_targets(const void *a_, const void *b_)
{
	const struct gateway_target *a = a_, *b = b_;

	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->weight != b->weight)
		return a->weight < b->weight ? -1 : 1;
	return net_addr_compare(&a->addr, &b->addr);
}

static void resolved(struct resolver *r, struct name *name)
{
	struct gateway_addresses *next;
	uint32_t ttl_s = name->ttl_s < TTL_LEAST_S ? TTL_LEAST_S : name->ttl_s > TTL_MOST_S ? TTL_MOST_S : name->ttl_s;

	counter_inc(r->counters, COUNTER_resolver_resolved);
	qsort(name->found.target, name->found.count, sizeof(name->found.target[0]), compare_targets);
	if (is_new(name)) {
		next = malloc(sizeof(*next));
		if (next == NULL) {
			name->why = "no memory";
			failed(r, name);
			return;
		}
		*next = name->found;
		publish(r, &name->wish, next);
		log_info("resolver", "gateway=%s: %s has %u addresses for %u s", name->wish.party->name,
			 name->wish.host, next->count, ttl_s);
	}
	name->failures = 0;
	over(r, name, ttl_s);
}

/* All questions have been asked. Half an answer is better than none, and worse than a whole one of before. */
static void finish(struct resolver *r, struct name *name)
{
	if (name->found.count == 0 || (name->lacks && name->wish.party->vendor->addresses != NULL))
		failed(r, name);
	else
		resolved(r, name);
}

/* ---- its steps: SRV, then A and AAAA of each target ---- */

static void next_target(struct resolver *r, struct name *name)
{
	if (name->target_at == name->target_count || name->found.count == GATEWAY_ADDRESSES) {
		finish(r, name);
		return;
	}
	name->first = name->found.count;
	name->target_lacks = false;
	question(r, name, DNS_A, "", name->target[name->target_at].host);
}

/* Its addresses share its weight. */
static void target_done(struct resolver *r, struct name *name)
{
	const struct target *target = &name->target[name->target_at];
	unsigned int count = name->found.count - name->first;

	for (unsigned int i = name->first; i < name->found.count; i++)
		name->found.target[i].weight = target->weight * WEIGHT_PARTS / count;
	name->lacks |= name->target_lacks && count == 0;
	name->target_at++;
	next_target(r, name);
}

static void next_step(struct resolver *r, struct name *name)
{
	if (name->question.type == DNS_A)
		question(r, name, DNS_AAAA, "", name->target[name->target_at].host);
	else
		target_done(r, name);
}

static void step_failed(struct resolver *r, struct name *name)
{
	name->why = name->failure;
	if (name->question.type == DNS_SRV) {
		failed(r, name);
		return;
	}
	name->target_lacks = true;
	next_step(r, name);
}

static void take_addresses(struct name *name, const struct dns_answer *answer)
{
	const struct target *target = &name->target[name->target_at];

	for (unsigned int i = 0; i < answer->count && name->found.count < GATEWAY_ADDRESSES; i++) {
		struct gateway_target *found = &name->found.target[name->found.count++];

		found->addr = answer->record[i].addr;
		found->addr.port = target->port;
		found->priority = target->priority;
	}
}

/* The best ones, if there are more than we keep. */
static void take_targets(struct name *name, const struct dns_answer *answer)
{
	for (unsigned int i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->record[i];
		unsigned int at = name->target_count;

		if (record->port == 0 || !dns_name_is_good(record->target))
			continue;
		while (at > 0 && name->target[at - 1].priority > record->priority)
			at--;
		if (at == GATEWAY_ADDRESSES)
			continue;
		if (name->target_count < GATEWAY_ADDRESSES)
			name->target_count++;
		memmove(&name->target[at + 1], &name->target[at],
			(name->target_count - 1 - at) * sizeof(name->target[0]));
		name->target[at].priority = record->priority;
		name->target[at].weight = record->weight;
		name->target[at].port = record->port;
		strcpy(name->target[at].host, record->target);
	}
}

static void one_target(struct name *name, uint16_t port)
{
	name->target_count = 1;
	name->target[0].priority = 0;
	name->target[0].weight = 1;
	name->target[0].port = port;
	strcpy(name->target[0].host, name->wish.host);
}

static void answered(struct resolver *r, struct name *name, const struct dns_answer *answer)
{
	counter_inc(r->counters, COUNTER_resolver_answers);
	if (answer->count > 0 && answer->ttl_s < name->ttl_s)
		name->ttl_s = answer->ttl_s;
	if (name->why == NULL)
		name->why = answer->why;
	if (name->question.type != DNS_SRV) {
		take_addresses(name, answer);
		next_step(r, name);
		return;
	}
	if (answer->count == 1 && strcmp(answer->record[0].target, ".") == 0) {
		resolved(r, name); /* RFC 2782: decidedly not available */
		return;
	}
	if (answer->count == 0)
		one_target(name, SIP_PORT);
	else
		take_targets(name, answer);
	if (name->target_count == 0)
		name->why = "its SRV records name no host";
	next_target(r, name);
}

static void begin(struct resolver *r, struct name *name)
{
	name->active = true;
	r->active++;
	memset(&name->found, 0, sizeof(name->found));
	name->ttl_s = UINT32_MAX;
	name->lacks = false;
	name->why = NULL;
	name->target_count = name->target_at = 0;
	if (name->wish.port == 0) {
		question(r, name, DNS_SRV, "_sip._udp.", name->wish.host);
		return;
	}
	one_target(name, name->wish.port);
	next_target(r, name);
}

static void receive(struct resolver *r, struct name *name)
{
	static _Thread_local struct dns_answer answer;
	uint8_t message[4096];
	ssize_t len;

	while (name->fd >= 0 && (len = recv(name->fd, message, sizeof(message), 0)) >= 0) {
		int error = dns_answer_read(&name->question, message, (size_t)len, &answer);

		if (error == -EBADMSG) {
			counter_inc(r->counters, COUNTER_resolver_ignored);
			name->junk = true;
			continue;
		}
		hang_up(name);
		name->failure = answer.why;
		if (error < 0)
			ask_next(r, name);
		else
			answered(r, name, &answer);
		return;
	}
	/* The server's host says that there is no server. */
	if (name->fd >= 0 && errno != EAGAIN && errno != EINTR) {
		name->failure = "the name server cannot be reached";
		ask_next(r, name);
	}
}

static void unanswered(struct resolver *r, struct name *name)
{
	name->failure = name->junk ? "malformed answers" : "no answer";
	ask_next(r, name);
}

/* ---- what is wanted ---- */

static struct name *find(struct name *names, unsigned int count, const struct wish *wish)
{
	for (unsigned int i = 0; i < count; i++)
		if (names[i].wish.party == wish->party && names[i].wish.port == wish->port &&
		    strcmp(names[i].wish.host, wish->host) == 0)
			return &names[i];
	return NULL;
}

static void name_init(struct resolver *r, struct name *name)
{
	const struct wish *wish = &name->wish;
	struct gateway_addresses *left = gateway_addresses_left(wish->party, wish_hash(wish));

	name->fd = -1;
	if (left != NULL || wish->party->vendor->addresses != NULL)
		publish(r, wish, left);
}

static bool has_gateway(const struct name *names, unsigned int count, const struct party *party)
{
	for (unsigned int i = 0; i < count; i++)
		if (names[i].wish.party == party)
			return true;
	return false;
}

/* Names that stay go on as they were. Some hundreds, at a reload: each may look at all. */
static void take_wishes(struct resolver *r, struct name *names, unsigned int count)
{
	struct name *old;

	for (unsigned int i = 0; i < count; i++) {
		old = find(r->names, r->count, &names[i].wish);
		if (old != NULL) {
			names[i] = *old;
			old->fd = -1;
			old->active = false;
		} else {
			name_init(r, &names[i]);
		}
	}
	for (unsigned int i = 0; i < r->count; i++) {
		old = &r->names[i];
		hang_up(old);
		r->active -= old->active;
		if (!has_gateway(names, count, old->wish.party))
			publish(r, &old->wish, NULL);
	}
	free(r->names);
	r->names = names;
	r->count = count;
}

static void look_for_wishes(struct resolver *r)
{
	struct name *wishes = NULL;
	unsigned int count = 0;
	bool changed;
	uint64_t rings;

	if (read(r->bell, &rings, sizeof(rings)) < 0 && errno != EAGAIN)
		log_warn("resolver", "eventfd: %s", strerror(errno));
	pthread_mutex_lock(&r->lock);
	changed = r->changed;
	if (changed) {
		wishes = r->wishes;
		count = r->wishes_count;
		r->settings = r->wished;
		r->wishes = NULL;
		r->wishes_count = 0;
		r->changed = false;
	}
	pthread_mutex_unlock(&r->lock);
	if (changed)
		take_wishes(r, wishes, count);
}

/* ---- the thread ---- */

static void begin_due(struct resolver *r)
{
	for (unsigned int i = 0; i < r->count && r->active < AT_ONCE; i++)
		if (!r->names[i].active && r->names[i].due_us <= r->now_us)
			begin(r, &r->names[i]);
}

static int wait_ms(const struct resolver *r)
{
	uint64_t next_us = r->now_us + 3600 * US_PER_S;

	for (unsigned int i = 0; i < r->count; i++) {
		const struct name *name = &r->names[i];
		uint64_t due_us = name->active ? name->deadline_us : name->due_us;

		if ((name->active || r->active < AT_ONCE) && due_us < next_us)
			next_us = due_us;
	}
	return next_us > r->now_us ? (int)((next_us - r->now_us) / US_PER_MS) + 1 : 0;
}

static void turn(struct resolver *r)
{
	struct pollfd fd[AT_ONCE + 1] = {{.fd = r->bell, .events = POLLIN}};
	unsigned int of[AT_ONCE + 1], count = 1;

	for (unsigned int i = 0; i < r->count && count <= AT_ONCE; i++) {
		if (!r->names[i].active)
			continue;
		of[count] = i;
		fd[count++] = (struct pollfd){.fd = r->names[i].fd, .events = POLLIN};
	}
	poll(fd, count, wait_ms(r));
	r->now_us = clock_now_us();
	for (unsigned int i = 1; i < count; i++) {
		struct name *name = &r->names[of[i]];

		if (fd[i].revents)
			receive(r, name);
		else if (name->active && name->deadline_us <= r->now_us)
			unanswered(r, name);
	}
}

static void *run(void *context)
{
	struct resolver *r = context;

	process_pin_thread(r->core, "resolver");
	while (!atomic_load(&r->stopping)) {
		r->now_us = clock_now_us();
		look_for_wishes(r);
		gather(r);
		begin_due(r);
		turn(r);
	}
	return NULL;
}

/* ---- housekeeping ---- */

struct resolver *resolver_new(struct counter_row *counters)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->counters = counters;
	pthread_mutex_init(&r->lock, NULL);
	r->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->bell >= 0 && counters != NULL)
		return r;
	resolver_free(r);
	return NULL;
}

/* Those of the system, where the configuration names none. */
static void system_servers(struct settings *settings)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	char line[256], text[256];

	while (file != NULL && settings->servers < SERVERS && fgets(line, sizeof(line), file) != NULL) {
		struct net_addr *server = &settings->server[settings->servers];

		if (sscanf(line, " nameserver %255s", text) == 1 && net_addr_parse(server, text, strlen(text)) == 0) {
			server->port = 53;
			settings->servers++;
		}
	}
	if (file != NULL)
		fclose(file);
	if (settings->servers == 0) {
		net_addr_parse(&settings->server[0], "127.0.0.1:53", strlen("127.0.0.1:53"));
		settings->servers = 1;
	}
}

static void settings_make(struct settings *settings, struct signaling_state *state,
			  const struct config_resolver *config)
{
	memset(settings, 0, sizeof(*settings));
	settings->state = state;
	settings->timeout_ms = config->timeout_ms;
	settings->servers = config->servers_count;
	memcpy(settings->server, config->servers, sizeof(settings->server));
	if (settings->servers == 0)
		system_servers(settings);
}

int resolver_configure(struct resolver *r, const struct signaling_snapshot *snapshot)
{
	unsigned int most = snapshot->config->routing_gateways_count, count = 0;
	struct name *wishes = calloc(most + 1, sizeof(*wishes));
	uint64_t one = 1;

	if (wishes == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < most; i++) {
		const struct route_entry *entry = &snapshot->route_entries[i];

		if (entry->config->host == NULL || !entry->config->enabled)
			continue;
		struct wish *wish = &wishes[count++].wish;

		wish->party = party_get(snapshot->state->parties, entry->id);
		wish->port = entry->config->host_port;
		strcpy(wish->host, entry->config->host);
	}
	pthread_mutex_lock(&r->lock);
	free(r->wishes);
	r->wishes = wishes;
	r->wishes_count = count;
	settings_make(&r->wished, snapshot->state, &snapshot->config->resolver);
	r->changed = true;
	pthread_mutex_unlock(&r->lock);
	return write(r->bell, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
}

int resolver_start(struct resolver *r, int core)
{
	int error;

	r->core = core;
	error = pthread_create(&r->thread, NULL, run, r);

	r->started = error == 0;
	return -error;
}

void resolver_free(struct resolver *r)
{
	uint64_t one = 1;

	if (r == NULL)
		return;
	atomic_store(&r->stopping, true);
	if (r->started && write(r->bell, &one, sizeof(one)) == sizeof(one))
		pthread_join(r->thread, NULL);
	for (unsigned int i = 0; i < r->count; i++)
		hang_up(&r->names[i]);
	if (r->bell >= 0)
		close(r->bell);
	pthread_mutex_destroy(&r->lock);
	free(r->names);
	free(r->wishes);
	free(r);
}
