/* src/format/communs_test.c: examples/formats/communs.jq, one row a rule. Arguments: ruche-jq, that file. */
#include "base/buf.h"
#include "format/example.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define FILE_BYTES (64u * 1024u)

static const char *ruche_jq, *communs_path;
static struct example *communs;

static const char input[] =
	"{\"message\":{\"id\":\"msg_1\",\"type\":\"fiche.updated\"},\"endpoint\":{\"name\":\"communs\"},\"attempt\":1,\"payload\":{"
	"\"id\":10108,\"parentId\":77,\"titre\":\"Planter\",\"description\":\"Des haies\",\"restreint\":false,\"statut\":\"En retard\","
	"\"budgetPrevisionnel\":\"12000\",\"dateDebut\":\"2019-11-01 00:00:00+00\","
	"\"plans\":[{\"id\":8017,\"nom\":\"PCAET 2022-2028\"},{\"id\":8018,\"nom\":\"Eau\",\"type\":\"PAT\"}],"
	"\"referents\":[{\"nom\":\"Caroline Cordary\",\"telephone\":null,\"email\":\"c@b.fr\",\"tagId\":7},{\"nom\":\"Un autre\"}],"
	"\"collectivite\":{\"id\":4708,\"type\":\"epci\",\"siren\":\"245400601\",\"natureInsee\":\"CC\",\"communeCode\":null}}}";

static void the_sheet_as_it_is_sent(void **state)
{
	(void)state;
	struct example_reply reply;
	example_run(communs, example_program(communs), input, &reply);
	assert_int_equal(reply.end, FORMAT_VALUE);
	assert_string_equal(reply.text, "{\"nom\":\"Planter\",\"externalId\":\"10108\",\"description\":\"Des haies\","
		"\"collectivites\":[{\"type\":\"EPCI\",\"code\":\"245400601\",\"collectiviteId\":4708}],\"budgetPrevisionnel\":12000,"
		"\"dateDebutPrevisionnelle\":\"2019-11-01T00:00:00.000+00:00\",\"parentExternalId\":\"77\","
		"\"plans\":[{\"externalId\":\"8017\",\"nom\":\"PCAET 2022-2028\"},{\"externalId\":\"8018\",\"nom\":\"Eau\",\"type\":\"PAT\"}],"
		"\"phase\":\"Op\xc3\xa9ration\",\"phaseStatut\":\"En retard\","
		"\"porteur\":{\"referentNom\":\"Caroline Cordary\",\"referentEmail\":\"c@b.fr\"}}");
}

#define NOTHING NULL
static const struct {
	const char *change;   /* of the sheet above */
	const char *expected; /* holds of what is sent; NOTHING: it is not sent */
} rows[] = {
	/* who gets one */
	{ ".restreint = true", NOTHING },
	{ ".restreint = null", ".externalId" },
	{ ".collectivite.natureInsee = \"METRO\"", ".externalId" },
	{ ".collectivite.natureInsee = \"CU\"", ".externalId" },
	{ ".collectivite.natureInsee = \"CA\"", ".externalId" },
	{ ".collectivite.natureInsee = \"SIVOM\"", NOTHING },
	{ ".collectivite.natureInsee = \"C\"", NOTHING }, /* a part of a name is not one */
	{ ".collectivite.natureInsee = null", NOTHING },
	{ ".collectivite.type = \"departement\"", NOTHING },
	{ ".collectivite = null", NOTHING },
	{ ".collectivite = {id: 3, type: \"commune\", communeCode: \"54430\", siren: \"215404302\"}",
	  ".collectivites == [{type: \"Commune\", code: \"54430\", collectiviteId: 3}]" },
	/* what it is called */
	{ ".titre = null", ".nom == \"Sans titre\"" },
	{ ".titre = \"\"", ".nom == \"Sans titre\"" },
	{ "del(.titre)", ".nom == \"Sans titre\"" },
	{ ".id = 123456789012", ".externalId == \"123456789012\"" },
	{ ".description = null", ".description == \"\"" },
	{ ".parentId = null", "has(\"parentExternalId\") | not" },
	/* its budget */
	{ ".budgetPrevisionnel = \"12000.50\"", ".budgetPrevisionnel == 12000.5" },
	{ ".budgetPrevisionnel = \"12000 \xe2\x82\xac\"", ".budgetPrevisionnel == 12000" },
	{ ".budgetPrevisionnel = \"0\"", ".budgetPrevisionnel == 0" },
	{ ".budgetPrevisionnel = 45", ".budgetPrevisionnel == 45" },
	{ ".budgetPrevisionnel = \"beaucoup\"", "has(\"budgetPrevisionnel\") | not" },
	{ ".budgetPrevisionnel = \"\"", "has(\"budgetPrevisionnel\") | not" },
	{ ".budgetPrevisionnel = null", "has(\"budgetPrevisionnel\") | not" },
	/* its beginning */
	{ ".dateDebut = \"2023-09-19 14:05:42.168359+02\"", ".dateDebutPrevisionnelle == \"2023-09-19T14:05:42.168+02:00\"" },
	{ ".dateDebut = \"2023-09-19T14:05:42-04:30\"", ".dateDebutPrevisionnelle == \"2023-09-19T14:05:42.000-04:30\"" },
	{ ".dateDebut = \"2024-02-29T08:00Z\"", ".dateDebutPrevisionnelle == \"2024-02-29T08:00:00.000+00:00\"" },
	{ ".dateDebut = \"2024-02-29\"", ".dateDebutPrevisionnelle == \"2024-02-29T00:00:00.000+00:00\"" },
	{ ".dateDebut = \"2023-02-29 00:00:00+00\"", "has(\"dateDebutPrevisionnelle\") | not" },
	{ ".dateDebut = \"2023-13-01\"", "has(\"dateDebutPrevisionnelle\") | not" },
	{ ".dateDebut = \"2023-01-01 24:00:00+00\"", "has(\"dateDebutPrevisionnelle\") | not" },
	{ ".dateDebut = \"bient\xc3\xb4t\"", "has(\"dateDebutPrevisionnelle\") | not" },
	{ ".dateDebut = null", "has(\"dateDebutPrevisionnelle\") | not" },
	/* its state */
	{ ".statut = \"A discuter\"", ".phase == \"Op\xc3\xa9ration\" and .phaseStatut == \"En cours\"" },
	{ ".statut = \"\xc3\x80 venir\"", ".phaseStatut == \"En cours\"" },
	{ ".statut = \"En cours\"", ".phaseStatut == \"En cours\"" },
	{ ".statut = \"En pause\"", ".phaseStatut == \"En pause\"" },
	{ ".statut = \"En retard\"", ".phaseStatut == \"En retard\"" },
	{ ".statut = \"Bloqu\xc3\xa9\"", ".phaseStatut == \"Bloqu\xc3\xa9\"" },
	{ ".statut = \"R\xc3\xa9""alis\xc3\xa9\"", ".phaseStatut == \"Termin\xc3\xa9\"" },
	{ ".statut = \"Abandonn\xc3\xa9\"", ".phaseStatut == \"Abandonn\xc3\xa9\"" },
	{ ".statut = \"Autre\"", ".phase == \"Op\xc3\xa9ration\" and (has(\"phaseStatut\") | not)" },
	{ ".statut = null", "(has(\"phase\") or has(\"phaseStatut\")) | not" },
	/* who carries it, and in which plans it stands */
	{ ".referents = null", "has(\"porteur\") | not" },
	{ ".referents = []", "has(\"porteur\") | not" },
	{ ".referents[0].telephone = \"03 83 00 00 00\"", ".porteur.referentTelephone == \"03 83 00 00 00\"" },
	{ ".plans = null", "has(\"plans\") | not" },
	{ ".plans = []", "has(\"plans\") | not" },
};

static void each_rule_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct buf program;
		buf_init(&program, FILE_BYTES);
		buf_addf(&program, ".payload |= (%s) | (", rows[i].change);
		buf_add(&program, example_program(communs));
		buf_addf(&program, "\n) | if . == null then null else (%s) end", rows[i].expected ? rows[i].expected : "true");
		assert_true(buf_ok(&program));
		struct example_reply reply;
		example_run(communs, buf_str(&program), input, &reply);
		bool sent = reply.end == FORMAT_VALUE && (!rows[i].expected || strcmp(reply.text, "false") != 0);
		if (rows[i].expected ? !sent : reply.end != FORMAT_NOTHING)
			fail_msg("%s: end %d, \"%s\"", rows[i].change, reply.end, reply.text);
		buf_fini(&program);
	}
}

static int start(void **state)
{
	(void)state;
	communs = example_open(ruche_jq, communs_path);
	return communs ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	example_close(communs);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sheet_as_it_is_sent),
		cmocka_unit_test(each_rule_holds),
	};
	if (argc != 3) {
		fputs("usage: format_communs_test PATH-OF-RUCHE-JQ PATH-OF-COMMUNS.JQ\n", stderr);
		return 64;
	}
	ruche_jq = argv[1];
	communs_path = argv[2];
	return cmocka_run_group_tests(tests, start, stop);
}
