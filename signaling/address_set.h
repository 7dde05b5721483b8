/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of IP addresses, whatever their ports: filled once, then only read, by any thread. A look-up costs the same
 * however many there are.
 */
#ifndef TANDEM_SIGNALING_ADDRESS_SET_H
#define TANDEM_SIGNALING_ADDRESS_SET_H

#include "common/addr.h"

struct address_set;

/* For so many addresses at most. NULL: out of memory. It is given back with free(). */
struct address_set *address_set_new(unsigned int most);
void address_set_add(struct address_set *set, const struct net_addr *addr);
/* NULL has none. */
bool address_set_has(const struct address_set *set, const struct net_addr *addr);

#endif
