/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/fork.h"

#include <string.h>

#include "signaling/call.h"
#include "signaling/text_hash.h"

uint32_t fork_of(const struct call *call, struct sip_message *response)
{
	struct sip_text tag = sip_message_to(response)->tag;

	return text_hash(&call->engine->transactions->hash, (struct text_hash){0, 0}, tag.at ? tag.at : "", tag.len).b;
}

static struct fork_said *find(struct call_work *work, uint32_t fork)
{
	for (unsigned int i = 0; i < work->forks.left; i++)
		if (work->said[i].fork == fork)
			return &work->said[i];
	return NULL;
}

static struct fork_said *place_for(struct call_work *work, uint32_t fork)
{
	struct forks *forks = &work->forks;
	struct fork_said *said = find(work, fork);

	if (said)
		return said;
	if (forks->left < FORKS_LEFT)
		return &work->said[forks->left++];
	said = &work->said[forks->oldest];
	forks->oldest = (uint8_t)((forks->oldest + 1) % FORKS_LEFT);
	return said;
}

void fork_put_aside(struct call *call, struct sip_message *response)
{
	const struct forks *forks = &call->work->forks;
	const struct call_record *record = call->record;

	if (!forks->described || !response->body.len || fork_of(call, response) == forks->speaker)
		return;
	struct fork_said *said = place_for(call->work, forks->speaker);

	said->fork = forks->speaker;
	said->media = record->media[CALLEE];
	memcpy(said->codec, record->codec, sizeof(said->codec));
	said->answer = record->answer;
}

void fork_has_spoken(struct call *call, struct sip_message *response)
{
	call->work->forks.described = true;
	call->work->forks.speaker = fork_of(call, response);
}

enum fork_answer fork_answers(struct call *call, struct sip_message *response)
{
	struct call_record *record = call->record;
	struct call_media *media = &record->media[CALLEE];
	const struct forks *forks = &call->work->forks;
	uint32_t fork = fork_of(call, response);

	if (!forks->described)
		return FORK_SILENT;
	if (fork == forks->speaker)
		return FORK_SPOKE_LAST;
	const struct fork_said *said = find(call->work, fork);

	if (!said)
		return FORK_SILENT;
	uint32_t generation = media->generation + 1; /* media has to learn the address anew */

	*media = said->media;
	media->generation = generation;
	memcpy(record->codec, said->codec, sizeof(said->codec));
	record->answer = said->answer;
	return FORK_TAKEN_BACK;
}

void forks_forget(struct call *call)
{
	call->work->forks = (struct forks){.described = false};
}
