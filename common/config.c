/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_fill.h"

#define FILE_MAX (1u << 30)

const char *const process_role_name[ROLE_COUNT] = {
    [ROLE_SIGNALING] = "signaling",
    [ROLE_MEDIA] = "media",
    [ROLE_KEEPALIVE] = "keepalive",
    [ROLE_CDRWRITER] = "cdrwriter",
};

/* ---- freeing ---------------------------------------------------------------------------------------------------- */

static void free_texts(char **texts, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

static void free_digest(struct config_digest *digest)
{
	if (digest == NULL)
		return;
	free(digest->user);
	free(digest->password);
	free(digest);
}

void config_port_fini(struct config_port *port)
{
	free(port->name);
	free(port->network);
	free(port->device);
	free(port->options);
	free(port->addresses);
	free(port->gateways);
}

static void free_credentials(struct config_credentials *credentials)
{
	if (credentials == NULL)
		return;
	free(credentials->user);
	free(credentials->password);
	free(credentials->realm);
	free(credentials);
}

static void free_rewrite(struct config_rewrite *rewrite)
{
	for (unsigned int i = 0; i < rewrite->rules_count; i++) {
		free(rewrite->rules[i].prefix);
		free(rewrite->rules[i].suffix);
		free(rewrite->rules[i].add);
		free(rewrite->rules[i].add_end);
	}
	free(rewrite->rules);
	free(rewrite->add);
}

static void free_register(struct config_register *registration)
{
	if (registration == NULL)
		return;
	free(registration->user);
	free(registration->domain);
	free(registration->contact);
	free(registration->calls);
	free(registration);
}

static void free_mapping_gateway(struct config_mapping_gateway *gateway)
{
	free(gateway->name);
	free(gateway->network);
	free(gateway->addresses);
	free_digest(gateway->digest);
	free_texts(gateway->prefixes, gateway->prefixes_count);
	free_rewrite(&gateway->caller);
	free_rewrite(&gateway->callee);
	free(gateway->response_codes);
}

static void free_probe(struct config_probe *probe)
{
	if (probe == NULL)
		return;
	free(probe->down_codes);
	free(probe);
}

static void free_routing_gateway(struct config_routing_gateway *gateway)
{
	free(gateway->name);
	free(gateway->host);
	free(gateway->network);
	free_texts(gateway->prefixes, gateway->prefixes_count);
	free_rewrite(&gateway->caller);
	free_rewrite(&gateway->callee);
	free_credentials(gateway->digest);
	free_probe(gateway->probe);
	free_register(gateway->registration);
	free(gateway->registered);
	free(gateway->stop_codes);
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	free(config->node);
	free(config->realm);
	for (unsigned int role = 0; role < ROLE_COUNT; role++)
		free(config->process[role].workers);
	for (unsigned int i = 0; i < config->ports_count; i++)
		config_port_fini(&config->ports[i]);
	free(config->ports);
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++)
		free_mapping_gateway(&config->mapping_gateways[i]);
	free(config->mapping_gateways);
	for (unsigned int i = 0; i < config->routing_gateways_count; i++)
		free_routing_gateway(&config->routing_gateways[i]);
	free(config->routing_gateways);
	for (unsigned int i = 0; i < config->phones_count; i++) {
		free(config->phones[i].user);
		free(config->phones[i].password);
	}
	free(config->phones);
	free(config->database.connection);
	free(config->spool.directory);
	free(config->path);
	free(config);
}

/* ---- loading ---------------------------------------------------------------------------------------------------- */

/* The whole file, zero-terminated (the caller's), or NULL with the reason reported. */
static char *read_file(const char *path, size_t *len, struct report *report)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0, got;

	*len = 0;
	if (file == NULL) {
		report_file_error(report, 0, "cannot be read: %s", strerror(errno));
		return NULL;
	}
	do {
		if (*len + 1 >= size) {
			char *more = size < FILE_MAX ? realloc(text, size = size == 0 ? 65536 : size * 2) : NULL;

			if (more == NULL) {
				report_file_error(report, 0, "cannot be read: too large");
				goto failed;
			}
			text = more;
		}
		got = fread(text + *len, 1, size - *len - 1, file);
		*len += got;
	} while (got > 0);
	if (ferror(file)) {
		report_file_error(report, 0, "cannot be read: %s", strerror(errno));
		goto failed;
	}
	fclose(file);
	text[*len] = '\0';
	return text;
failed:
	fclose(file);
	free(text);
	return NULL;
}

/* Gateways that name no network are in that of the first signaling port. */
static int default_networks(struct config *config)
{
	const char *network = "default";

	for (unsigned int i = config->ports_count; i-- > 0;) {
		if (config->ports[i].process == ROLE_SIGNALING)
			network = config->ports[i].network;
	}
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++) {
		char **own = &config->mapping_gateways[i].network;

		if (*own == NULL && (*own = strdup(network)) == NULL)
			return -ENOMEM;
	}
	for (unsigned int i = 0; i < config->routing_gateways_count; i++) {
		char **own = &config->routing_gateways[i].network;

		if (*own == NULL && (*own = strdup(network)) == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* Everything but the printing; the tree may be partly filled when there are errors. */
static struct config *load(const char *path, unsigned int cores, struct report *report)
{
	cyaml_config_t loader = {
	    .log_fn = report_loader_log,
	    .log_ctx = report,
	    .mem_fn = cyaml_mem,
	    .log_level = CYAML_LOG_WARNING,
	};
	struct config *config = calloc(1, sizeof(*config));
	struct raw_config *raw = NULL, empty = {0};

	if (config == NULL || (config->path = strdup(path)) == NULL) {
		report_file_error(report, 0, "out of memory");
		return config;
	}
	if (cyaml_load_data((const uint8_t *)report->text, report->text_len, &loader, &raw_schema,
			    (cyaml_data_t **)&raw, NULL) != CYAML_OK) {
		report_structure(report, &raw_schema);
		return config;
	}
	config_fill(config, raw != NULL ? raw : &empty, report);
	cyaml_free(&loader, &raw_schema, raw, 0);
	if (report->loader[0] != '\0')
		report_file_error(report, 0, "%s", report->loader);
	if (config_check(config, report, cores) != 0 || default_networks(config) != 0)
		report_file_error(report, 0, "out of memory");
	return config;
}

struct config *config_load_for(const char *path, unsigned int cores, FILE *out)
{
	struct config *config = NULL;
	struct report report;
	size_t len;
	char *text;

	if (cores == 0) {
		long count = sysconf(_SC_NPROCESSORS_CONF);

		cores = count > 0 ? (unsigned int)count : 1;
	}
	report_init(&report, path, NULL, 0);
	text = read_file(path, &len, &report);
	if (text != NULL) {
		report.text = text;
		report.text_len = len;
		config = load(path, cores, &report);
	}
	report_print(&report, out);
	if (report.errors > 0) {
		config_free(config);
		config = NULL;
	}
	report_fini(&report);
	free(text);
	return config;
}

struct config *config_load(const char *path)
{
	return config_load_for(path, 0, stderr);
}

/* ---- reload ----------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_process(const struct config_process *a, const struct config_process *b)
{
	if (a->workers_count != b->workers_count || a->core != b->core || a->idle != b->idle ||
	    a->nap_us != b->nap_us || a->hugepages != b->hugepages || a->memory_mb != b->memory_mb)
		return false;
	for (unsigned int i = 0; i < a->workers_count; i++) {
		if (a->workers[i] != b->workers[i])
			return false;
	}
	return true;
}

static bool same_port(const struct config_port *a, const struct config_port *b)
{
	if (!same_text(a->name, b->name) || a->process != b->process || !same_text(a->network, b->network) ||
	    a->driver != b->driver || !same_text(a->device, b->device) || !same_text(a->options, b->options) ||
	    a->mtu != b->mtu || a->addresses_count != b->addresses_count || a->gateways_count != b->gateways_count ||
	    a->sip_port != b->sip_port || a->rtp_ports.first != b->rtp_ports.first ||
	    a->rtp_ports.last != b->rtp_ports.last)
		return false;
	for (unsigned int i = 0; i < a->addresses_count; i++) {
		if (!net_addr_equal(&a->addresses[i].addr, &b->addresses[i].addr) ||
		    a->addresses[i].len != b->addresses[i].len)
			return false;
	}
	for (unsigned int i = 0; i < a->gateways_count; i++) {
		if (!net_addr_equal(&a->gateways[i], &b->gateways[i]))
			return false;
	}
	return true;
}

const char *config_needs_restart(const struct config *running, const struct config *loaded)
{
	static const char *const process_key[ROLE_COUNT] = {
	    [ROLE_SIGNALING] = "processes.signaling",
	    [ROLE_MEDIA] = "processes.media",
	    [ROLE_KEEPALIVE] = "processes.keepalive",
	    [ROLE_CDRWRITER] = "processes.cdrwriter",
	};

	if (!same_text(running->node, loaded->node))
		return "node";
	for (unsigned int role = 0; role < ROLE_COUNT; role++) {
		if (!same_process(&running->process[role], &loaded->process[role]))
			return process_key[role];
	}
	if (running->limits.calls != loaded->limits.calls ||
	    running->limits.registrations != loaded->limits.registrations ||
	    running->limits.cdr_ring_kb != loaded->limits.cdr_ring_kb)
		return "limits";
	if (running->ports_count != loaded->ports_count)
		return "ports";
	for (unsigned int i = 0; i < running->ports_count; i++) {
		if (!same_port(&running->ports[i], &loaded->ports[i]))
			return "ports";
	}
	if (!same_text(running->spool.directory, loaded->spool.directory) ||
	    running->spool.segment_mb != loaded->spool.segment_mb ||
	    running->spool.reserve_mb != loaded->spool.reserve_mb ||
	    running->spool.group_wait_ms != loaded->spool.group_wait_ms)
		return "spool";
	return NULL;
}
