/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tandem-phones: very many phones behind NAT, each with an address of its own, on one socket.
 *
 * The namespace needs a local route for the whole range (ip route add local 10.80.0.0/15 dev lo), so that the kernel
 * takes and sends datagrams for every address in it. Each phone registers with digest under a private Contact, as one
 * behind NAT does, then only listens; every datagram that reaches it is noted with its time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RESEND_US       500000ull
#define GIVE_UP_RESENDS 12
#define PORT            5060

enum phone_state { PHONE_IDLE, PHONE_ASKED, PHONE_AUTHORIZED, PHONE_REGISTERED, PHONE_FAILED };

struct phone {
	enum phone_state state;
	uint32_t cseq;
	unsigned int resends;
	uint64_t sent_us;
	char nonce[96], algorithm[16];
};

static struct options {
	const char *netns, *password, *payload, *hellos_file;
	struct sockaddr_in target;
	uint32_t base; /* first address, host order */
	unsigned int count, window, expires_s;
	unsigned long first_user;
	double listen_s;
} options = {.password = "secret",
	     .payload = "HELLO",
	     .count = 1000,
	     .window = 200,
	     .expires_s = 3600,
	     .listen_s = 60,
	     .first_user = 1000000};

static struct phone *phones;
static unsigned int outstanding, registered, failed;
static uint64_t strangers, hellos;
static int sock;
static FILE *hellos_out;
static volatile sig_atomic_t stop_asked;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void on_signal(int number)
{
	stop_asked = 1;
}

/* Send from the phone's own address. */
static void transmit(unsigned int i, const char *text, size_t len)
{
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
	struct iovec iov = {(void *)(uintptr_t)text, len};
	struct msghdr message = {.msg_name = &options.target,
				 .msg_namelen = sizeof(options.target),
				 .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(options.base + i)};

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	if (sendmsg(sock, &message, 0) < 0 && errno != EAGAIN)
		perror("tandem-phones: sendmsg");
}

static void digest_hex(const EVP_MD *md, const char *text, char *out)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int len;

	EVP_Digest(text, strlen(text), hash, &len, md, NULL);
	for (unsigned int i = 0; i < len; i++)
		sprintf(out + 2 * i, "%02x", hash[i]);
}

static void authorization(const struct phone *phone, unsigned long user, const char *uri, char *out, size_t size)
{
	const EVP_MD *md = strcasecmp(phone->algorithm, "SHA-256") == 0 ? EVP_sha256() : EVP_md5();
	char text[512], ha1[130], ha2[130], response[130];

	snprintf(text, sizeof(text), "%lu:%s:%s", user, "tandem.test", options.password);
	digest_hex(md, text, ha1);
	snprintf(text, sizeof(text), "REGISTER:%s", uri);
	digest_hex(md, text, ha2);
	snprintf(text, sizeof(text), "%s:%s:00000001:abcdef01:auth:%s", ha1, phone->nonce, ha2);
	digest_hex(md, text, response);
	snprintf(
	    out, size,
	    "Authorization: Digest username=\"%lu\", realm=\"tandem.test\", nonce=\"%s\", uri=\"%s\", response=\"%s\", "
	    "algorithm=%s, qop=auth, nc=00000001, cnonce=\"abcdef01\"\r\n",
	    user, phone->nonce, uri, response, phone->algorithm);
}

static void send_register(unsigned int i, uint64_t now)
{
	struct phone *phone = &phones[i];
	unsigned long user = options.first_user + i;
	char text[2048], auth[1024] = "", switch_ip[INET_ADDRSTRLEN], uri[64];
	int n;

	inet_ntop(AF_INET, &options.target.sin_addr, switch_ip, sizeof(switch_ip));
	snprintf(uri, sizeof(uri), "sip:%s", switch_ip);
	if (phone->state == PHONE_AUTHORIZED)
		authorization(phone, user, uri, auth, sizeof(auth));
	n = snprintf(text, sizeof(text),
		     "REGISTER %s SIP/2.0\r\nVia: SIP/2.0/UDP "
		     "192.168.1.2:5060;branch=z9hG4bKp%u-%u;rport\r\nMax-Forwards: 70\r\n"
		     "From: <sip:%lu@%s>;tag=p%u\r\nTo: <sip:%lu@%s>\r\nCall-ID: phone-%u\r\nCSeq: %u REGISTER\r\n"
		     "Contact: <sip:%lu@192.168.1.2:5060>\r\nExpires: %u\r\n%sContent-Length: 0\r\n\r\n",
		     uri, i, phone->cseq, user, switch_ip, i, user, switch_ip, i, phone->cseq, user, options.expires_s,
		     auth);
	phone->sent_us = now;
	transmit(i, text, (size_t)n);
}

static void copy_quoted(const char *text, const char *name, char *out, size_t size)
{
	const char *at = strstr(text, name);
	size_t n;

	*out = 0;
	if (!at)
		return;
	at += strlen(name);
	at += *at == '"';
	n = strcspn(at, "\",\r\n ");
	if (n < size) {
		memcpy(out, at, n);
		out[n] = 0;
	}
}

static void phone_done(struct phone *phone, bool success)
{
	phone->state = success ? PHONE_REGISTERED : PHONE_FAILED;
	registered += success;
	failed += !success;
	outstanding--;
}

static void response(unsigned int i, const char *text, uint64_t now)
{
	struct phone *phone = &phones[i];
	int code = atoi(text + 8);
	const char *cseq = strstr(text, "\nCSeq: ");
	const char *challenge = strstr(text, "WWW-Authenticate:");

	if (code < 200 || !cseq || strtoul(cseq + 7, NULL, 10) != phone->cseq)
		return;
	if (phone->state == PHONE_ASKED && code == 401 && challenge) {
		copy_quoted(challenge, "nonce=", phone->nonce, sizeof(phone->nonce));
		copy_quoted(challenge, "algorithm=", phone->algorithm, sizeof(phone->algorithm));
		if (!*phone->algorithm)
			strcpy(phone->algorithm, "MD5");
		phone->state = PHONE_AUTHORIZED;
		phone->cseq++;
		phone->resends = 0;
		send_register(i, now);
	} else if (phone->state == PHONE_ASKED || phone->state == PHONE_AUTHORIZED) {
		phone_done(phone, code == 200);
	}
}

static void receive(uint64_t now)
{
	char text[4096], control[256];
	struct iovec iov = {text, sizeof(text) - 1};
	struct msghdr message = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct in_pktinfo info;
	unsigned int i;
	ssize_t len;

	while ((len = recvmsg(sock, &message, MSG_DONTWAIT)) >= 0) {
		text[len] = 0;
		i = options.count;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
			if (c->cmsg_type == IP_PKTINFO) {
				memcpy(&info, CMSG_DATA(c), sizeof(info));
				i = ntohl(info.ipi_addr.s_addr) - options.base;
			}
		message.msg_controllen = sizeof(control);
		if (i >= options.count) {
			strangers++;
		} else if (len > 12 && memcmp(text, "SIP/2.0 ", 8) == 0) {
			response(i, text, now);
		} else if (strcmp(text, options.payload) == 0) {
			hellos++;
			if (hellos_out)
				fprintf(hellos_out, "%u %llu\n", i, (unsigned long long)now_us());
		} else {
			strangers++;
		}
	}
}

/* Start what fits the window; resend what was not answered. */
static void advance(uint64_t now, unsigned int *next)
{
	while (*next < options.count && outstanding < options.window) {
		phones[*next].state = PHONE_ASKED;
		phones[*next].cseq = 1;
		outstanding++;
		send_register((*next)++, now);
	}
}

static void resend(uint64_t now, unsigned int next)
{
	/* Phones register in order: what is outstanding lies not far behind `next`. */
	for (unsigned int i = next > 20000 ? next - 20000 : 0; i < next; i++) {
		struct phone *phone = &phones[i];

		if ((phone->state != PHONE_ASKED && phone->state != PHONE_AUTHORIZED) ||
		    now < phone->sent_us + RESEND_US)
			continue;
		if (phone->resends++ == GIVE_UP_RESENDS)
			phone_done(phone, false);
		else
			send_register(i, now);
	}
}

static int socket_open(void)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	char path[128];
	int fd, on = 1, size = 64 << 20;

	if (options.netns) {
		snprintf(path, sizeof(path), "/run/netns/%s", options.netns);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
			return -1;
		close(fd);
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0 ? -1 : fd;
}

static void usage(void)
{
	fputs("usage: tandem-phones --switch IP:PORT --base IP --count N [--netns NAME] [--password P] [--first-user "
	      "N] [--window N]\n"
	      "                     [--expires S] [--listen S] [--payload TEXT] [--hellos FILE]\n"
	      "Prints \"registered N\" when all have an answer, listens, then prints a JSON report.\n"
	      "FILE gets a line for each keep-alive: the phone's number and the monotonic time in microseconds.\n",
	      stderr);
	exit(2);
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {{"switch", 1, 0, 's'}, {"base", 1, 0, 'b'},     {"count", 1, 0, 'n'},
					      {"netns", 1, 0, 'N'},  {"password", 1, 0, 'p'}, {"first-user", 1, 0, 'u'},
					      {"window", 1, 0, 'w'}, {"listen", 1, 0, 'l'},   {"payload", 1, 0, 'P'},
					      {"hellos", 1, 0, 'h'}, {"expires", 1, 0, 'e'},  {0, 0, 0, 0}};
	struct in_addr base = {0};
	char *colon;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 's':
			colon = strchr(optarg, ':');
			options.target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT)};
			if (colon) {
				*colon = 0;
				options.target.sin_port = htons((uint16_t)atoi(colon + 1));
			}
			if (inet_pton(AF_INET, optarg, &options.target.sin_addr) != 1)
				usage();
			break;
		case 'b':
			if (inet_pton(AF_INET, optarg, &base) != 1)
				usage();
			break;
		case 'n':
			options.count = (unsigned int)atoi(optarg);
			break;
		case 'N':
			options.netns = optarg;
			break;
		case 'p':
			options.password = optarg;
			break;
		case 'u':
			options.first_user = strtoul(optarg, NULL, 10);
			break;
		case 'w':
			options.window = (unsigned int)atoi(optarg);
			break;
		case 'e':
			options.expires_s = (unsigned int)atoi(optarg);
			break;
		case 'l':
			options.listen_s = atof(optarg);
			break;
		case 'P':
			options.payload = optarg;
			break;
		case 'h':
			options.hellos_file = optarg;
			break;
		default:
			usage();
		}
	}
	options.base = ntohl(base.s_addr);
	if (!options.base || !options.target.sin_family || !options.count || optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	uint64_t now, started, next_resend, listen_until = 0;
	unsigned int next = 0;
	struct pollfd poll_fd;

	read_options(argc, argv);
	signal(SIGTERM, on_signal);
	sock = socket_open();
	phones = calloc(options.count, sizeof(*phones));
	if (options.hellos_file)
		hellos_out = fopen(options.hellos_file, "w");
	if (sock < 0 || !phones || (options.hellos_file && !hellos_out)) {
		perror("tandem-phones");
		return 1;
	}
	poll_fd = (struct pollfd){.fd = sock, .events = POLLIN};
	started = now = now_us();
	next_resend = now;
	while (!stop_asked && (!listen_until || now < listen_until)) {
		advance(now, &next);
		if (now >= next_resend) {
			resend(now, next);
			next_resend = now + RESEND_US / 5;
		}
		poll(&poll_fd, 1, 5);
		now = now_us();
		receive(now);
		if (!listen_until && registered + failed == options.count) {
			printf("registered %u in %.1f s\n", registered, (double)(now - started) / 1e6);
			fflush(stdout);
			listen_until = now + (uint64_t)(options.listen_s * 1e6);
		}
	}
	if (hellos_out)
		fclose(hellos_out);
	printf("{\"registered\":%u,\"failed\":%u,\"hellos\":%llu,\"unexpected\":%llu}\n", registered, failed,
	       (unsigned long long)hellos, (unsigned long long)strangers);
	return 0;
}
