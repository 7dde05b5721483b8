/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UDP echo server on the ports of the signaling process, one thread for each worker: what the port tests talk to.
 *   port_echo CONFIG [send ADDRESS:PORT [INTERVAL_US]]
 * With "send", it answers nothing but sends a datagram to that address every 100 ms (or INTERVAL_US). SIGTERM ends it
 * and prints the counters that are not zero.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_launch.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/counters.h"
#include "common/log.h"
#include "common/port.h"

static volatile sig_atomic_t stopping;
static struct port *ports[CONFIG_MAX_PORTS];
static int ports_count;
static struct counter_row rows[CONFIG_MAX_WORKERS];
static struct net_addr send_to;
static uint64_t send_interval_us = 100 * US_PER_MS;

static void stop(int number)
{
	stopping = 1;
}

static void echo(struct port_queue *q, uint64_t now_us)
{
	struct datagram in[PORT_BURST];
	unsigned int count = port_receive(q, in, PORT_BURST, now_us);

	/* Two that answer each other's answers would never stop. */
	for (unsigned int i = 0; i < count; i++)
		if (send_to.family == NET_NONE)
			port_send(q, &in[i], now_us);
		else
			datagram_free(&in[i]);
}

static void send_one(struct port_queue *q, const struct port *port, uint64_t now_us)
{
	const struct net_addr *ours = port_address(port, send_to.family);
	struct net_addr local;

	if (!ours)
		return;
	local = *ours;
	local.port = 5060;
	port_send_copy(q, &local, &send_to, "knock", 5, 0, now_us);
}

static int worker(void *context)
{
	unsigned int index = (unsigned int)(uintptr_t)context;
	struct port_queue *queues[CONFIG_MAX_PORTS];
	uint64_t next_send_us = 0;

	for (int i = 0; i < ports_count; i++)
		queues[i] = port_queue_open(ports[i], index, &rows[index]);
	while (!stopping) {
		uint64_t now_us = clock_now_us();
		bool sends = send_to.family != NET_NONE && index == 0 && now_us >= next_send_us;

		for (int i = 0; i < ports_count; i++) {
			echo(queues[i], now_us);
			if (sends)
				send_one(queues[i], ports[i], now_us);
			port_tick(queues[i], now_us);
			port_flush(queues[i], now_us);
		}
		if (sends)
			next_send_us = now_us + send_interval_us;
		nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
	}
	return 0;
}

static void print_counters(unsigned int workers)
{
	for (int id = 0; id < COUNTER_COUNT; id++) {
		unsigned long long sum = 0;

		for (unsigned int i = 0; i < workers; i++)
			sum += rows[i].value[id];
		if (sum != 0)
			printf("%s.%s %llu\n", counter_info[id].group, counter_info[id].name, sum);
	}
}

int main(int argc, char **argv)
{
	struct config *config = argc >= 2 ? config_load(argv[1]) : NULL;
	unsigned int workers;
	int status = 0;

	if (!config)
		return 2;
	if (argc >= 4 && net_addr_parse(&send_to, argv[3], strlen(argv[3])) != 0)
		return 2;
	if (argc >= 5)
		send_interval_us = strtoull(argv[4], NULL, 10);
	log_init("port-echo", config->log_level);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	workers = config->process[ROLE_SIGNALING].workers_count;
	if (port_eal_init(config, ROLE_SIGNALING) != 0)
		return 1;
	ports_count = ports_open(config, ROLE_SIGNALING, workers, ports);
	if (ports_count < 0)
		return 1;
	for (unsigned int i = 0; i < workers; i++)
		status |= rte_eal_remote_launch(worker, (void *)(uintptr_t)i, port_worker_lcore(i));
	printf("ready\n");
	fflush(stdout);
	rte_eal_mp_wait_lcore();
	print_counters(workers);
	for (int i = 0; i < ports_count; i++)
		port_close(ports[i]);
	rte_eal_cleanup();
	config_free(config);
	return status != 0;
}
