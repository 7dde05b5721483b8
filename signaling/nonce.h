/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nonces that need no memory until they are used rightly.
 *
 * A nonce is a serial number, the time, and a MAC over both and the address it was given to, by a key that the
 * process draws at start: after a restart old nonces are merely stale, and clients come again with a new one at once.
 *
 * Replay: a table of fixed size remembers, for the last serial number seen in each of its places, the highest nonce
 * count (nc) that came with a right digest. A nonce whose place has gone to a later one is stale. So no captured
 * request is ever accepted twice, and strangers, who cannot make a right digest, cannot write there.
 */
#ifndef TANDEM_SIGNALING_NONCE_H
#define TANDEM_SIGNALING_NONCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define NONCE_LEN        56 /* characters, no terminating zero */
#define NONCE_LIFETIME_S 300
#define NONCE_PLACES     65536u

enum nonce_verdict { NONCE_OK, NONCE_STALE, NONCE_FOREIGN /* not made by us for this address */ };

struct nonces {
	uint8_t key[2][16]; /* one for each half of the MAC */
	_Atomic uint64_t serial;
	_Atomic uint64_t *used; /* [NONCE_PLACES]: serial << 20 | nc */
};

int nonces_init(struct nonces *nonces); /* 0, -ENOMEM, -EIO: no random numbers */
void nonces_fini(struct nonces *nonces);

/* Any thread. */
void nonce_make(struct nonces *nonces, const struct net_addr *remote, uint64_t now_us, char out[static NONCE_LEN]);
/* Is it ours, for this address, and young enough? Does not look at replay. */
enum nonce_verdict nonce_check(const struct nonces *nonces, const char *nonce, size_t len,
			       const struct net_addr *remote, uint64_t now_us);
/*
 * The digest over this nonce was right: take this count (without qop: 1) as used. NONCE_STALE when it, or a higher one,
 * was used before.
 */
enum nonce_verdict nonce_use(struct nonces *nonces, const char *nonce, size_t len, uint32_t nc);

#endif
