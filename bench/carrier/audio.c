/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audio that proves itself: every payload is a function of its SSRC and sequence number, so a receiver checks
 * each packet bit by bit without having seen the sender.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "carrier.h"

#define RTP_HEADER 12

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static void fill_payload(uint8_t *out, uint32_t ssrc, uint16_t seq)
{
	uint64_t state = ((uint64_t)ssrc << 16) | seq, word;

	for (size_t i = 0; i < RTP_PAYLOAD; i += sizeof(word)) {
		word = state = mix(state);
		memcpy(out + i, &word, sizeof(word));
	}
}

/* A socket for one side of a call slot, once for all the calls that will use the slot. */
int audio_open(struct carrier *c, struct audio *audio, const char *netns, const union endpoint *address, uint64_t key)
{
	union endpoint local = *address;
	socklen_t len = sizeof(local);
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = key};

	if (local.sa.sa_family == AF_INET6)
		local.in6.sin6_port = 0;
	else
		local.in.sin_port = 0;
	audio->fd = udp_open(netns, &local);
	if (audio->fd < 0)
		return audio->fd;
	if (getsockname(audio->fd, &local.sa, &len) < 0 || epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, audio->fd, &event) < 0)
		return -errno;
	audio->port = endpoint_port(&local);
	return 0;
}

void audio_start(struct audio *audio, uint32_t ssrc, uint32_t peer_ssrc)
{
	*audio = (struct audio){
	    .fd = audio->fd, .port = audio->port, .ssrc = ssrc, .peer_ssrc = peer_ssrc, .seq = (uint16_t)mix(ssrc)};
}

void audio_send(struct carrier *c, struct audio *audio)
{
	uint8_t packet[RTP_HEADER + RTP_PAYLOAD] = {0x80, 8};
	uint16_t seq = htons(audio->seq);
	uint32_t timestamp = htonl(audio->timestamp), ssrc = htonl(audio->ssrc);

	if (audio->remote.sa.sa_family == 0 || endpoint_port(&audio->remote) == 0)
		return;
	if (audio->sent == 0)
		packet[1] |= 0x80;
	memcpy(packet + 2, &seq, 2);
	memcpy(packet + 4, &timestamp, 4);
	memcpy(packet + 8, &ssrc, 4);
	fill_payload(packet + RTP_HEADER, audio->ssrc, audio->seq);
	audio->seq++;
	audio->timestamp += RTP_PAYLOAD;
	if (sendto(audio->fd, packet, sizeof(packet), MSG_DONTWAIT, &audio->remote.sa, endpoint_len(&audio->remote)) ==
	    sizeof(packet))
		audio->sent++;
}

static void note_packet(struct carrier *c, struct audio *audio, uint16_t seq)
{
	uint32_t *word = &audio->seen[(seq & 255) >> 5], bit = 1u << (seq & 31);

	if (audio->received == 0) {
		audio->first_seq = audio->highest_seq = seq;
	} else if ((int16_t)(seq - audio->highest_seq) > 0) {
		/* Forget what the window leaves behind. */
		for (uint16_t s = (uint16_t)(audio->highest_seq + 1); s != seq && (uint16_t)(seq - s) < 256; s++)
			audio->seen[(s & 255) >> 5] &= ~(1u << (s & 31));
		*word &= ~bit;
		audio->highest_seq = seq;
	}
	if (*word & bit) {
		audio->duplicates++;
		return;
	}
	*word |= bit;
	if (audio->received++ && c->now_us - audio->last_us > audio->max_gap_us) {
		audio->max_gap_us = c->now_us - audio->last_us;
		audio->gap_at_us = c->now_us;
	}
	audio->last_us = c->now_us;
}

void audio_receive(struct carrier *c, struct audio *audio)
{
	uint8_t packet[2048], expected[RTP_PAYLOAD];
	uint32_t ssrc;
	uint16_t seq;
	ssize_t len;

	while ((len = recv(audio->fd, packet, sizeof(packet), MSG_DONTWAIT)) >= 0) {
		memcpy(&ssrc, packet + 8, 4);
		memcpy(&seq, packet + 2, 2);
		ssrc = ntohl(ssrc);
		seq = ntohs(seq);
		if (len < RTP_HEADER || ssrc != audio->peer_ssrc) {
			audio->foreign++;
			continue;
		}
		fill_payload(expected, ssrc, seq);
		if (len != RTP_HEADER + RTP_PAYLOAD || memcmp(packet + RTP_HEADER, expected, RTP_PAYLOAD) != 0)
			audio->corrupted++;
		else
			note_packet(c, audio, seq);
	}
}

/* Sequence numbers that never came between the first and the last that did. */
uint64_t audio_lost(const struct audio *audio)
{
	uint64_t span = audio->received ? (uint64_t)(uint16_t)(audio->highest_seq - audio->first_seq) + 1 : 0;

	/* Calls longer than 65,536 packets wrap; the span is then a lower bound in whole turns. */
	while (audio->received > span)
		span += 65536;
	return audio->received ? span - audio->received : 0;
}
