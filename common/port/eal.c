/* SPDX-License-Identifier: Apache-2.0 */
/* EAL start-up: its command line made from the configuration, its log lines led into ours. */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mempool.h>

#include "common/log.h"
#include "internal.h"

#define EAL_MAX_ARGS (CONFIG_MAX_PORTS + 20)
#define EAL_SPARE_MB 64 /* what drivers and EAL itself take besides the buffers */

struct eal_args {
	int count;
	bool failed;
	char *arg[EAL_MAX_ARGS + 1];
};

static __attribute__((format(printf, 2, 3))) void arg_add(struct eal_args *args, const char *format, ...)
{
	va_list ap;
	char *text = NULL;

	va_start(ap, format);
	if (args->count == EAL_MAX_ARGS || vasprintf(&text, format, ap) < 0)
		args->failed = true;
	else
		args->arg[args->count++] = text;
	va_end(ap);
}

/* EAL permutes its argv, but the strings stay ours; it copies what it keeps. */
static void args_free(struct eal_args *args)
{
	for (int i = 0; i < args->count; i++)
		free(args->arg[i]);
}

/* ---- log -------------------------------------------------------------------------------------------------------- */

/* One rte_log() call arrives as one write, since EAL flushes after each. */
static ssize_t log_line(void *cookie, const char *text, size_t size)
{
	int level = rte_log_cur_msg_loglevel();
	size_t len = size;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len == 0)
		return (ssize_t)size;
	/* It looks at every page size there is, and misses those that nobody set up. */
	if (memmem(text, len, "hugepages reported", strlen("hugepages reported")))
		log_debug("dpdk", "%.*s", (int)len, text);
	else if (level <= (int)RTE_LOG_ERR)
		log_error("dpdk", "%.*s", (int)len, text);
	else if (level == (int)RTE_LOG_WARNING)
		log_warn("dpdk", "%.*s", (int)len, text);
	else
		log_debug("dpdk", "%.*s", (int)len, text);
	return (ssize_t)size;
}

/* The libraries under af_xdp; absent when the build has no af_xdp. Level 0 = warning, 1 = information, 2 = debug. */
typedef int xdp_print(int level, const char *format, va_list ap);
extern xdp_print *libbpf_set_print(xdp_print *print) __attribute__((weak));
extern xdp_print *libxdp_set_print(xdp_print *print) __attribute__((weak));

static __attribute__((format(printf, 2, 0))) int log_xdp(int level, const char *format, va_list ap)
{
	char text[256];
	int len;

	if (level > 1)
		return 0;
	len = vsnprintf(text, sizeof(text), format, ap);
	text[strcspn(text, "\n")] = 0;
	if (level == 0)
		log_warn("xdp", "%s", text);
	else
		log_debug("xdp", "%s", text);
	return len;
}

static void log_redirect(void)
{
	static FILE *stream;

	if (!stream)
		stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = log_line});
	if (stream)
		rte_openlog_stream(stream);
	if (libbpf_set_print)
		libbpf_set_print(log_xdp);
	if (libxdp_set_print)
		libxdp_set_print(log_xdp);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

uint64_t __wrap_get_tsc_freq(void);

/*
 * Where the CPU does not tell its TSC frequency, EAL sleeps for 100 ms to measure it, and then rounds to 10 MHz. Ten
 * milliseconds are enough for that, and a process that was killed is back so much sooner (linked by --wrap).
 */
uint64_t __wrap_get_tsc_freq(void)
{
	uint64_t start_us = clock_now_us(), start = rte_rdtsc(), us;

	usleep(10 * US_PER_MS);
	us = clock_now_us() - start_us;
	return us ? (rte_rdtsc() - start) * US_PER_S / us : 0;
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

void port_pool_sizes(const struct config *config, enum process_role role, unsigned int *small_count,
		     uint32_t *small_bytes, unsigned int *large_count)
{
	unsigned int workers = config->process[role].workers_count, ports = 0, mtu = 1500, each;

	for (unsigned int i = 0; i < config->ports_count; i++) {
		if (config->ports[i].process != role)
			continue;
		ports++;
		mtu = RTE_MAX(mtu, config->ports[i].mtu);
	}
	/* What a queue can hold: the rings of its driver (af_xdp: twice as many), frames waiting for neighbours, a
	 * batch. */
	each = 4 * PORT_DESCRIPTORS + 1024 + PORT_TX_BATCH;
	/* What a worker can hold besides: its pool cache, and what others have handed to it. */
	*small_count = ports * workers * each + workers * 2048 + 1024;
	*small_bytes = RTE_PKTMBUF_HEADROOM + RTE_ALIGN(RTE_MAX(2048u, mtu + ETHER_LEN + 8), 64u);
	*large_count = role == ROLE_SIGNALING ? workers * (ports * REASSEMBLIES + 64) : workers * (ports * 16 + 16);
}

static unsigned int memory_needed_mb(const struct config *config, enum process_role role)
{
	unsigned int small_count, large_count;
	uint32_t small_bytes;
	const uint64_t overhead = sizeof(struct rte_mbuf) + 256; /* mempool header, alignment */
	uint64_t bytes;

	port_pool_sizes(config, role, &small_count, &small_bytes, &large_count);
	bytes = small_count * (small_bytes + overhead) + large_count * (UINT16_MAX + overhead);
	return (unsigned int)(bytes >> 20) + EAL_SPARE_MB;
}

static uint64_t read_number(const char *directory, const char *file)
{
	char path[512];
	unsigned long long value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/%s", directory, file);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

static uint64_t hugepages_free_mb(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	const struct dirent *entry;
	uint64_t kilobytes = 0;
	unsigned long long page_kb;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, "hugepages-%llukB", &page_kb) == 1)
			kilobytes += page_kb * read_number(entry->d_name, "free_hugepages");
	closedir(dir);
	return kilobytes >> 10;
}

static int memory_args(struct eal_args *args, const struct config *config, enum process_role role)
{
	const struct config_process *process = &config->process[role];
	unsigned int needed = memory_needed_mb(config, role), memory = process->memory_mb;
	uint64_t free_mb = hugepages_free_mb();

	if (memory == 0)
		memory = needed;
	if (memory < needed) {
		log_error("port", "memory_mb of %s is %u, its ports and workers need at least %u",
			  process_role_name[role], memory, needed);
		return -ENOMEM;
	}
	if (process->hugepages == HUGEPAGES_ON && free_mb < memory) {
		log_error("port", "hugepages are on for %s, but only %llu MB of them are free, expected %u MB",
			  process_role_name[role], (unsigned long long)free_mb, memory);
		return -ENOMEM;
	}
	arg_add(args, "-m");
	arg_add(args, "%u", memory);
	if (process->hugepages == HUGEPAGES_OFF || free_mb < memory) {
		/* --in-memory and --no-huge exclude each other; this pair leaves nothing behind, either. */
		arg_add(args, "--no-huge");
		arg_add(args, "--no-shconf");
		log_info("port", "using %u MB of ordinary pages", memory);
	} else {
		arg_add(args, "--in-memory");
		log_info("port", "using %u MB of hugepages", memory);
	}
	return 0;
}

/* ---- cores ------------------------------------------------------------------------------------------------------ */

unsigned int port_worker_lcore(unsigned int worker)
{
	return worker + 1;
}

/*
 * The CPUs that the machine and our cpuset allow. This thread is pinned to its own already, and what a supervisor
 * gave us to start on (CPUAffinity=) is no limit either: so ask for all, and see what we get.
 */
static int allowed_cpus(cpu_set_t *allowed)
{
	cpu_set_t mine, all;
	int error = 0;

	if (sched_getaffinity(0, sizeof(mine), &mine) != 0)
		return -errno;
	memset(&all, 0xff, sizeof(all));
	if (sched_setaffinity(0, sizeof(all), &all) != 0 || sched_getaffinity(0, sizeof(*allowed), allowed) != 0)
		error = -errno;
	if (sched_setaffinity(0, sizeof(mine), &mine) != 0 && !error)
		error = -errno;
	return error;
}

/* lcore 0 is the housekeeping thread, 1... the workers; "lcore@cpu" keeps them apart even where CPUs are shared. */
static int lcore_args(struct eal_args *args, const struct config_process *process)
{
	char list[32 * (CONFIG_MAX_WORKERS + 1) + CPU_SETSIZE * 5], *to = list;
	cpu_set_t allowed;
	int error = allowed_cpus(&allowed);

	if (error)
		return error;
	for (unsigned int i = 0; i < process->workers_count; i++) {
		unsigned int cpu = process->workers[i];

		if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &allowed))
			continue;
		log_error("port",
			  "worker %u is to run on core %u, which this process may not use or the machine does not have",
			  i, cpu);
		return -EINVAL;
	}
	if (process->core >= 0 && process->core < CPU_SETSIZE && CPU_ISSET(process->core, &allowed)) {
		to += sprintf(to, "0@%d", process->core);
	} else {
		to += sprintf(to, "0@(");
		for (int cpu = 0, any = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &allowed))
				to += sprintf(to, "%s%d", any++ ? "," : "", cpu);
		to += sprintf(to, ")");
	}
	for (unsigned int i = 0; i < process->workers_count; i++)
		to += sprintf(to, ",%u@%u", port_worker_lcore(i), process->workers[i]);
	arg_add(args, "--lcores=%s", list);
	arg_add(args, "--main-lcore=0");
	return 0;
}

/* ---- devices ---------------------------------------------------------------------------------------------------- */

static bool has_option(const struct config_port *port, const char *key)
{
	size_t len = strlen(key);

	for (const char *at = port->options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, key, len) == 0 && at[len] == '=')
			return true;
	}
	return false;
}

/* A locally administered address that is the same in every life of the port, so that peers' caches stay right. */
static void stable_mac(char out[18], const struct config *config, const struct config_port *port)
{
	const char *parts[] = {config->node, "/", port->name};
	uint64_t hash = 0xcbf29ce484222325ull;

	for (unsigned int i = 0; i < RTE_DIM(parts); i++)
		for (const char *c = parts[i]; *c; c++)
			hash = (hash ^ (uint8_t)*c) * 0x100000001b3ull;
	snprintf(out, 18, "02:%02x:%02x:%02x:%02x:%02x", (unsigned int)(hash >> 8) & 0xff,
		 (unsigned int)(hash >> 16) & 0xff, (unsigned int)(hash >> 24) & 0xff,
		 (unsigned int)(hash >> 32) & 0xff, (unsigned int)(hash >> 40) & 0xff);
}

/* A killed memif server leaves its socket's name behind, and the next one could not bind to it. */
static void remove_dead_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED)
		unlink(path);
	close(fd);
}

static void memif_args(char *out, size_t size, const struct config *config, const struct config_port *port)
{
	char mac[18];
	bool is_path = port->device[0] == '/';

	stable_mac(mac, config, port);
	if (is_path && port->options && strstr(port->options, "role=server"))
		remove_dead_socket(port->device);
	snprintf(out, size, "socket=%s,socket-abstract=%s%s%s%s", port->device, is_path ? "no" : "yes",
		 has_option(port, "role") ? "" : ",role=client",
		 has_option(port, "mac") ? "" : ",mac=", has_option(port, "mac") ? "" : mac);
	if (port->mtu > 1900 && !has_option(port, "bsize"))
		snprintf(out + strlen(out), size - strlen(out), ",bsize=%u", rte_align32pow2(port->mtu + 64));
}

static void device_arg(struct eal_args *args, const struct config *config, const struct config_port *port,
		       unsigned int index, unsigned int queues)
{
	unsigned int frame = rte_align32pow2(port->mtu + 128);
	char own[512], mac[18];

	frame = RTE_MAX(frame, 2048u);
	switch (port->driver) {
	case DRIVER_PCI:
		arg_add(args, "--allow=%s%s%s", port->device, port->options ? "," : "",
			port->options ? port->options : "");
		return;
	case DRIVER_AF_PACKET:
		snprintf(own, sizeof(own), "iface=%s,qpairs=%u,framesz=%u,blocksz=%u,framecnt=2048", port->device,
			 queues, frame, RTE_MAX(frame, 65536u));
		break;
	case DRIVER_AF_XDP:
		snprintf(own, sizeof(own), "iface=%s,start_queue=0,queue_count=%u", port->device, queues);
		break;
	case DRIVER_MEMIF:
		memif_args(own, sizeof(own), config, port);
		break;
	case DRIVER_TAP:
		stable_mac(mac, config, port);
		snprintf(own, sizeof(own), "iface=%s%s%s", port->device,
			 has_option(port, "mac") ? "" : ",mac=", has_option(port, "mac") ? "" : mac);
		break;
	}
	arg_add(args, "--vdev=%s%u,%s%s%s", port_vdev_name(port->driver), index, own, port->options ? "," : "",
		port->options ? port->options : "");
}

static void devices_args(struct eal_args *args, const struct config *config, enum process_role role)
{
	bool pci = false;

	af_packet_queues(config->process[role].workers_count);
	for (unsigned int i = 0; i < config->ports_count; i++) {
		if (config->ports[i].process != role)
			continue;
		device_arg(args, config, &config->ports[i], i, config->process[role].workers_count);
		pci |= config->ports[i].driver == DRIVER_PCI;
	}
	if (!pci) {
		arg_add(args, "--no-pci");
		arg_add(args, "--iova-mode=va");
	}
}

int port_eal_init(const struct config *config, enum process_role role)
{
	struct eal_args args = {0};
	char *argv[EAL_MAX_ARGS + 1];
	uint64_t start_us = clock_now_us();
	int rc;

	arg_add(&args, "tandem-%s", process_role_name[role]);
	arg_add(&args, "--file-prefix=tandem-%s-%s", config->node, process_role_name[role]);
	arg_add(&args, "--no-telemetry");
	arg_add(&args, "--log-level=%s", config->log_level == LOG_DEBUG ? "info" : "warning");
	rc = lcore_args(&args, &config->process[role]);
	if (rc == 0)
		rc = memory_args(&args, config, role);
	devices_args(&args, config, role);
	if (rc == 0 && args.failed)
		rc = -ENOMEM;
	if (rc == 0) {
		memcpy(argv, args.arg, sizeof(argv));
		log_redirect();
		if (rte_eal_init(args.count, argv) < 0) {
			rc = rte_errno ? -rte_errno : -EIO;
			log_error("port", "DPDK can't be started: %s", rte_strerror(-rc));
		} else {
			/* EAL makes the directory even when it keeps nothing in it. */
			rmdir(rte_eal_get_runtime_dir());
			log_info("port", "DPDK started in %llu ms",
				 (unsigned long long)((clock_now_us() - start_us) / US_PER_MS));
		}
	}
	args_free(&args);
	return rc;
}
