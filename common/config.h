/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: one YAML file, read by every process alike, as an immutable tree.
 *
 * config_load() checks everything that can be checked without the system (names, types, ranges, references,
 * overlaps) and reports each fault as  file:line: key: value: what was expected.  A reload loads a second tree
 * beside the first; nothing of the running one changes until the new one is whole.
 *
 * Start-up and housekeeping threads only; it allocates. Readers may be any thread, under RCU (snapshot.h).
 */
#ifndef TANDEM_COMMON_CONFIG_H
#define TANDEM_COMMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "addr.h"
#include "log.h"
#include "parameters.h"

enum process_role { ROLE_SIGNALING, ROLE_MEDIA, ROLE_KEEPALIVE, ROLE_CDRWRITER, ROLE_COUNT };
extern const char *const process_role_name[ROLE_COUNT]; /* "signaling", ... */

enum idle_policy { IDLE_SPIN, IDLE_NAP };
enum hugepages { HUGEPAGES_AUTO, HUGEPAGES_ON, HUGEPAGES_OFF };
enum port_driver { DRIVER_AF_PACKET, DRIVER_AF_XDP, DRIVER_MEMIF, DRIVER_TAP, DRIVER_PCI };
enum media_mode { MEDIA_SYSTEM, MEDIA_AUTO, MEDIA_ON, MEDIA_OFF, MEDIA_MUST_ON };
/* What a challenge offers, as bits; the stronger first (RFC 8760). Old phones give up on an algorithm they don't know. */
enum digest_algorithms { DIGEST_MD5 = 1, DIGEST_SHA256 = 2, DIGEST_BOTH = 3 };
/* Their values stand in shared memory and in messages: new ones at the end. */
enum silence_watch { SILENCE_BOTH, SILENCE_CALLER, SILENCE_CALLEE, SILENCE_NONE, SILENCE_EITHER };

#define CONFIG_MAX_WORKERS 32
#define CONFIG_MAX_PORTS 16

/* How one process runs. keepalive and cdrwriter have only `core` (housekeeping). */
struct config_process {
	unsigned int *workers; /* the cores of its workers, in worker order */
	unsigned int workers_count;
	int core; /* housekeeping thread's core; -1 = anywhere */
	enum idle_policy idle;
	unsigned int nap_us; /* of IDLE_NAP: a worker under load looks this often; default 4000 for signaling, else 1000 */
	enum hugepages hugepages;
	unsigned int memory_mb; /* DPDK memory; 0 = a fitting default */
};

struct config_range {
	uint16_t first, last;
};

/* One ethdev with addresses on it; belongs to signaling or media. */
struct config_port {
	char *name;
	enum process_role process;
	char *network; /* calls between different networks are relayed (SS_MEDIAPROXYBETWEENNET); default: "default" */
	enum port_driver driver;
	char *device;  /* interface name, PCI address, memif socket path, tap name */
	char *options; /* further driver arguments, "key=value,key=value"; may be NULL */
	unsigned int mtu; /* default 1500 */
	struct net_prefix *addresses; /* ours; the prefix is the on-link network */
	unsigned int addresses_count;
	struct net_addr *gateways; /* default next hop, at most one a family */
	unsigned int gateways_count;
	uint16_t sip_port;             /* signaling: default 5060 */
	struct config_range rtp_ports; /* media: default 20000-59999, even first, odd last */
};

/* What a number must look like, and what then becomes of it. */
struct config_number_rule {
	char *prefix, *suffix;               /* NULL = ""; x stands for any digit */
	unsigned int min_length, max_length; /* 0 = any; as it is before anything is done */
	unsigned int strip, strip_end;       /* so many characters are taken off */
	char *add, *add_end;                 /* then these are put there; NULL = "" */
};

/* Applied to what the caller dialled (or presented): the first rule that fits, else strip and add. */
struct config_rewrite {
	unsigned int strip; /* leading characters */
	char *add;          /* NULL = "" */
	struct config_number_rule *rules;
	unsigned int rules_count;
};
#define CONFIG_NUMBER_RULES 64

struct config_digest {
	char *user;
	char *password;
};

/* What we answer a vendor's challenge with, and which we answer. */
struct config_credentials {
	char *user;
	char *password;
	char *realm;                       /* NULL = the first one that the gateway itself names */
	enum digest_algorithms algorithms; /* DIGEST_SHA256: no challenge that asks for MD5 alone */
};

/* How a vendor is told who calls. */
enum identity_mode {
	IDENTITY_PASS,  /* by the headers that came */
	IDENTITY_STRIP, /* not at all, but by From */
	IDENTITY_PAI,   /* by P-Asserted-Identity, whatever came... */
	IDENTITY_RPID,  /* ...or by Remote-Party-ID */
};

/* What of the headers that say who calls, and by which way, crosses to or from a gateway. */
struct config_headers {
	bool untrusted; /* outside our trust domain (RFC 3325): not believed, and not told what is private */
	enum identity_mode identity; /* of a mapping gateway: IDENTITY_PASS or IDENTITY_STRIP, which takes nothing over */
	bool strip_diversion, strip_history;
	bool strip_bodies; /* of a body with several parts, only the session description crosses */
};

/* What a customer is told instead of a provisional response. */
enum ringback_rule {
	RINGBACK_PASS,
	RINGBACK_180, /* without a description: its own switch makes the tone */
	RINGBACK_183, /* with the description, if there is one: the tone comes from the vendor */
	RINGBACK_DROP,
};

struct config_ringback {
	/* 180; any other; each without and with a description */
	enum ringback_rule ringing, ringing_with_sdp, progress, progress_with_sdp;
};

/* We register to a vendor. */
struct config_register {
	char *user;                /* of the address-of-record; default: that of the credentials */
	char *domain;              /* NULL = the registrar's address */
	struct net_addr registrar; /* family NET_NONE = the gateway's own address */
	char *contact;             /* user of our Contact; default: `user` */
	unsigned int expires_s;    /* what we ask for; default 3600 */
	unsigned int retry_s;      /* the first wait after a failure; default 30 */
	char *calls;               /* the mapping gateway whose the calls are that come to our Contact; NULL = nobody's */
};

/* Where a vendor's 3xx may lead to. */
enum redirect_to {
	REDIRECT_SAME,  /* the gateway's own address */
	REDIRECT_KNOWN, /* that of any routing gateway */
	REDIRECT_ANY,
};

struct config_redirect {
	unsigned int follow; /* targets tried for one gateway in a call, at most; 0 = its 3xx are failures */
	enum redirect_to to;
};
#define CONFIG_REDIRECTS 8

struct config_rewrite_code {
	unsigned int from, to;
};

struct config_mapping_gateway {
	char *name;
	bool enabled;
	char *network; /* one of the signaling ports'; default: the first signaling port's */
	struct net_prefix *addresses;
	unsigned int addresses_count;
	struct config_digest *digest; /* NULL = by address alone */
	unsigned int capacity;         /* concurrent calls; 0 = no limit */
	unsigned int calls_per_second; /* 0 = no limit */
	char **prefixes;               /* allowed; none = all */
	unsigned int prefixes_count;
	struct config_rewrite caller, callee;
	struct config_rewrite_code *response_codes; /* to the customer */
	unsigned int response_codes_count;
	enum media_mode media_mode;
	struct config_headers headers;
	struct config_ringback ringback;
	bool redirect_pass; /* a 3xx that nobody follows here is its own to follow */
};

/* OPTIONS to a vendor, to see whether it is there. */
struct config_probe {
	unsigned int interval_s;           /* default 30 */
	unsigned int down_after, up_after; /* in a row; default 3 and 2 */
	unsigned int *down_codes;          /* answers that count as none; default 408 and 503, NULL for "none" */
	unsigned int down_codes_count;
};

struct config_routing_gateway {
	char *name;
	bool enabled;
	char *network; /* as above */
	struct net_addr address; /* port defaults to 5060; none when it is known by name: */
	char *host;              /* NULL = by address */
	uint16_t host_port;      /* 0 = SRV says */
	char **prefixes;         /* "" matches everything */
	unsigned int prefixes_count;
	unsigned int priority; /* smaller first; default 100 */
	unsigned int capacity, calls_per_second;
	struct config_rewrite caller, callee;
	struct config_credentials *digest; /* when this vendor challenges us; NULL = none */
	struct config_probe *probe; /* NULL = not probed */
	struct config_register *registration; /* NULL = we do not register there */
	char *registered; /* reached where this digest user of a mapping gateway registered from; NULL = at `address` */
	unsigned int *stop_codes;
	unsigned int stop_codes_count;
	enum media_mode media_mode;
	enum silence_watch silence_watch;
	/* The five set-up time-outs, in ms; 0 = the system's value. */
	uint32_t timeout_invite_ms, timeout_trying_ms, timeout_progress_ms, timeout_progress_sdp_ms, timeout_ringing_ms;
	/* -1 = the system's value, else 0 or 1 */
	int stop_switch_after_sdp, stop_switch_after_invite_timeout;
	struct config_headers headers;
	struct config_redirect redirect;
};

/* One phone, or `count` of them with consecutive numeric users from `user` on and the same password. */
struct config_phone {
	char *user;
	char *password;
	unsigned int count; /* default 1 */
	unsigned int capacity; /* concurrent calls from and to it; 0 = no limit */
};

struct config_limits {
	unsigned int calls;         /* standing at once; default 20000 */
	unsigned int registrations; /* default 100000 */
	unsigned int cdr_ring_kb;   /* each signaling worker's ring to the CDR writer; default 8192 */
};

#define CONFIG_NAME_SERVERS 3

/* Who is asked for the addresses of gateways that are known by name. */
struct config_resolver {
	struct net_addr servers[CONFIG_NAME_SERVERS]; /* none: those of /etc/resolv.conf */
	unsigned int servers_count;
	unsigned int timeout_ms; /* for one answer of one server; default 2000 */
};

struct config_database {
	char *connection; /* a libpq connection string */
	unsigned int batch;         /* most rows in one COPY; default 20000 */
	unsigned int batch_wait_ms; /* longest wait for a batch to fill; default 200 */
	unsigned int partitions_ahead_days; /* default 3 */
};

struct config_spool {
	char *directory;
	unsigned int segment_mb;  /* default 64 */
	unsigned int reserve_mb;  /* "full" when less than this is free; default 16 */
	unsigned int group_wait_ms; /* longest wait of a record for its group's write; default 100 */
};

struct config {
	char *node; /* [a-z0-9-]{1,32}: names the shared memory and the EAL prefix */
	char *realm; /* digest realm; default: node */
	enum digest_algorithms digest_algorithms;
	enum log_level log_level;
	struct parameters parameters;
	struct config_process process[ROLE_COUNT];
	struct config_limits limits;
	struct config_port *ports;
	unsigned int ports_count;
	struct config_mapping_gateway *mapping_gateways;
	unsigned int mapping_gateways_count;
	struct config_routing_gateway *routing_gateways;
	unsigned int routing_gateways_count;
	struct config_phone *phones;
	unsigned int phones_count;
	struct config_resolver resolver;
	struct config_database database;
	struct config_spool spool;
	char *path; /* the file it came from */
};

/* Returns a new tree (the caller's, config_free()), or NULL with every fault written to stderr. Warnings go there, too. */
struct config *config_load(const char *path);
/* The same for a machine with so many cores (0 = this one), with faults and warnings written to `report`. */
struct config *config_load_for(const char *path, unsigned int cores, FILE *report);
void config_free(struct config *config);
/* Free what a port's description points to, for who has copied one. */
void config_port_fini(struct config_port *port);

/*
 * What a running process can't take over by reload: node, workers, ports, limits, spool. Returns NULL when the
 * new tree may replace the old one, else the name of the first such key that differs (the caller logs it and keeps the old tree).
 */
const char *config_needs_restart(const struct config *running, const struct config *loaded);

#endif
