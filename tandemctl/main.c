/* SPDX-License-Identifier: Apache-2.0 */
/* Look at a node and steer it. All but hangup and reload reads shared memory and asks nobody. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/layout/call_record.h"
#include "common/log.h"
#include "tandemctl/ctl.h"

#define DEFAULT_CONFIG "/etc/tandem/tandem.yaml"
#define MANY_CORES     4096 /* what the file says of cores is for the processes to judge */

static const struct ctl_command commands[] = {
    {"status", "", "processes and workers: alive, ready, busy; calls and registrations in all", NEEDS_NODE, ctl_status},
    {"calls", "[--limit N] [--gateway NAME] [--number TEXT] [--state STATE] [--min-duration S]", "standing calls",
     NEEDS_NODE, ctl_calls},
    {"registrations", "[--limit N] [--user TEXT]", "registered contacts", NEEDS_NODE, ctl_registrations},
    {"gateways", "[NAME]", "what each gateway carries: calls, attempts, ASR, ACD, bans", NEEDS_NODE, ctl_gateways},
    {"counters", "[--nonzero] [--threads] [--watch S] [GROUP] | --markdown", "counters of all processes", NEEDS_NOTHING,
     ctl_counters},
    {"hangup", "ID", "end a call; the beginning of its id will do where only one call has it", NEEDS_NODE, ctl_hangup},
    {"reload", "[ROLE]", "take over a changed configuration, in all processes or in one", NEEDS_NODE, ctl_reload},
    {"parameters", "[--changed] [NAME] | --markdown", "parameters: value in the file, default, range, meaning",
     NEEDS_NOTHING, ctl_parameters},
    {"check", "[--cores N]", "look for faults in the configuration file, for this machine or one with N cores",
     NEEDS_NOTHING, ctl_check},
    {"segments", "create [--replace] | list | remove", "the node's shared memory", NEEDS_FILE, ctl_segments},
    {NULL, NULL, NULL, NEEDS_NOTHING, NULL},
};

static void print_help(FILE *out)
{
	fprintf(out, "usage: tandemctl [--config FILE | --node NAME] [--json] COMMAND ...\n\n");
	for (const struct ctl_command *command = commands; command->name != NULL; command++)
		fprintf(out, "  %s%s%s\n      %s\n", command->name, command->arguments[0] != '\0' ? " " : "",
			command->arguments, command->help);
	fprintf(out, "\n--config FILE  the node's configuration; default $TANDEM_CONFIG, else " DEFAULT_CONFIG "\n"
		     "--node NAME    look at that node without a configuration: when the file is away or faulty\n"
		     "--json         for programs\n"
		     "--version, --help\n\n"
		     "Exit status: 0 done, 1 refused or not found, 2 wrong command line, 3 faulty configuration,\n"
		     "4 the node or the process is not there.\n");
}

void ctl_error(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("tandemctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	putc('\n', stderr);
}

static const struct ctl_option *find_option(const struct ctl_option *options, const char *name)
{
	for (; options != NULL && options->name != NULL; options++) {
		if (strcmp(options->name, name) == 0)
			return options;
	}
	return NULL;
}

int ctl_parse(int argc, char **argv, const struct ctl_option *options, int most)
{
	int left = 0;

	for (int i = 1; i < argc; i++) {
		const struct ctl_option *option = find_option(options, argv[i]);

		if (argv[i][0] != '-') {
			argv[++left] = argv[i];
		} else if (option == NULL) {
			ctl_error("%s: unknown option %s; see tandemctl --help", argv[0], argv[i]);
			return -1;
		} else if (option->has_value && i + 1 == argc) {
			ctl_error("%s: %s needs a value", argv[0], argv[i]);
			return -1;
		} else {
			*option->value = option->has_value ? argv[++i] : "";
		}
	}
	if (left > most) {
		ctl_error("%s: %s is one argument too many; see tandemctl --help", argv[0], argv[most + 1]);
		return -1;
	}
	return left;
}

bool ctl_number(const char *option, const char *text, uint32_t *value, uint32_t fallback)
{
	*value = fallback;
	if (text == NULL || text_to_uint(text, value) == 0)
		return true;
	ctl_error("%s: '%s': expected a number", option, text);
	return false;
}

int ctl_read_header(const struct ctl *ctl, const char *name, struct segment_header *header)
{
	char path[256];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/tandem.%s.%s", ctl->config->node, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	got = pread(fd, header, sizeof(*header), 0);
	close(fd);
	return got == (ssize_t)sizeof(*header) && header->magic == SEGMENT_MAGIC ? 0 : -EPROTO;
}

int ctl_attach(struct ctl *ctl, struct segment *segment, const struct segment_spec *spec)
{
	char path[256];

	snprintf(path, sizeof(path), "/dev/shm/tandem.%s.%s", ctl->config->node, spec->name);
	if (access(path, F_OK) != 0) {
		ctl_error("node %s is not here: there is no %s; %s", ctl->config->node, path,
			  ctl->node == NULL ? "`tandemctl segments create` makes it"
					    : "each node of this machine has such a file");
		return CTL_NOT_THERE;
	}
	/* It logs what does not fit. */
	if (segment_attach(segment, ctl->config->node, spec, false) != 0) {
		ctl_error("node %s can't be read: its shared memory was made by another version or configuration, or "
			  "is not yours to read",
			  ctl->config->node);
		return CTL_NOT_THERE;
	}
	return CTL_OK;
}

/* A faulty file must not keep anybody from looking at what runs. */
static struct config *config_of_node(const char *node)
{
	struct config *config = calloc(1, sizeof(*config));

	if (config != NULL && (config->node = strdup(node)) == NULL) {
		free(config);
		config = NULL;
	}
	return config;
}

/* Warnings are for `check`; here only what keeps the file from loading is shown. */
int ctl_load_config(struct ctl *ctl)
{
	char *text = NULL;
	size_t len = 0;
	FILE *report = ctl->node == NULL ? open_memstream(&text, &len) : NULL;

	if (ctl->node != NULL)
		ctl->config = config_of_node(ctl->node);
	else if (report != NULL)
		ctl->config = config_load_for(ctl->config_path, MANY_CORES, report);
	if (report != NULL)
		fclose(report);
	if (ctl->config == NULL && text != NULL)
		fputs(text, stderr);
	free(text);
	return ctl->config != NULL ? CTL_OK : CTL_CONFIG;
}

static const struct ctl_command *find_command(const char *name)
{
	for (const struct ctl_command *command = commands; command->name != NULL; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

/* What is there counts, not what the file asks of the next start. */
static void adopt_limits(struct ctl *ctl)
{
	struct segment_header header;

	if (ctl_read_header(ctl, CALLS_SEGMENT, &header) == 0 && header.layout == SEGMENT_CALLS)
		ctl->config->limits.calls = header.item_count;
	if (ctl_read_header(ctl, "bindings", &header) == 0 && header.layout == SEGMENT_BINDINGS)
		ctl->config->limits.registrations = header.item_count;
}

static int run(struct ctl *ctl, const struct ctl_command *command, int argc, char **argv)
{
	int status;

	if (command->needs == NEEDS_FILE && ctl->node != NULL) {
		ctl_error("%s: --node is not enough, it needs the configuration", command->name);
		return CTL_USAGE;
	}
	if (command->needs != NEEDS_NOTHING && ctl_load_config(ctl) != CTL_OK) {
		if (command->needs == NEEDS_NODE && command->run != ctl_reload)
			ctl_error("%s: without the file: tandemctl --node NAME %s", command->name, command->name);
		return CTL_CONFIG;
	}
	if (command->needs == NEEDS_NODE)
		adopt_limits(ctl);
	status = command->run(ctl, argc, argv);
	config_free(ctl->config);
	if (fflush(stdout) != 0 || ferror(stdout))
		return status != CTL_OK ? status : CTL_FAILED;
	return status;
}

/* --json counts wherever it stands. Returns the new argc. */
static int take_json(int argc, char **argv, bool *json)
{
	int left = 0;

	for (int i = 0; i < argc; i++) {
		if (i > 0 && strcmp(argv[i], "--json") == 0)
			*json = true;
		else
			argv[left++] = argv[i];
	}
	argv[left] = NULL;
	return left;
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.config_path = getenv("TANDEM_CONFIG")};
	const struct ctl_command *command;
	int at = 1;

	log_init("tandemctl", LOG_WARN);
	argc = take_json(argc, argv, &ctl.json);
	if (ctl.config_path == NULL || ctl.config_path[0] == '\0')
		ctl.config_path = DEFAULT_CONFIG;
	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--config") == 0 && at + 1 < argc) {
			ctl.config_path = argv[++at];
		} else if (strcmp(argv[at], "--node") == 0 && at + 1 < argc) {
			ctl.node = argv[++at];
		} else if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
			print_help(stdout);
			return CTL_OK;
		} else if (strcmp(argv[at], "--version") == 0) {
			puts("tandemctl " TANDEM_VERSION);
			return CTL_OK;
		} else {
			ctl_error("unknown option %s; see tandemctl --help", argv[at]);
			return CTL_USAGE;
		}
	}
	if (at == argc) {
		print_help(stderr);
		return CTL_USAGE;
	}
	command = find_command(argv[at]);
	if (command == NULL) {
		ctl_error("unknown command %s; see tandemctl --help", argv[at]);
		return CTL_USAGE;
	}
	return run(&ctl, command, argc - at, argv + at);
}
