# communs.jq: a sheet of actions (fiche action) as the third party "communs" takes it. A sheet that is not for them gives null: nothing is sent.

def present: . != null and . != "" and . != false and . != 0;

# A field that has nothing to say is left out.
def filled: with_entries(select(.value | present or . == 0));

# A number, or the number that a text begins with ("12000.50 €").
def amount:
  if type == "number" then .
  elif type == "string" then (capture("^\\s*(?<digits>-?[0-9]+(?:[.][0-9]+)?)").digits | tonumber)? // null
  else null end;

# "2019-11-01 00:00:00+00", as PostgreSQL writes it, is 2019-11-01T00:00:00.000+00:00. No time is midnight, no offset is UTC, no such day is null.
def iso_instant:
  if type != "string" then null
  else
    (capture("^(?<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T](?<time>(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?)(?:[.](?<part>[0-9]+))?(?<offset>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$")
     | select((.day | strptime("%Y-%m-%d") | mktime | strftime("%Y-%m-%d")) == .day)
     | (.time // "00:00:00" | if length == 5 then . + ":00" else . end) as $time
     | ((.part // "") + "000")[:3] as $milliseconds
     | (.offset // "Z" | if . == "Z" then "+00:00" else gsub(":"; "") | .[:3] + ":" + ((.[3:] + "00")[:2]) end) as $offset
     | "\(.day)T\($time).\($milliseconds)\($offset)")? // null
  end;

def status: {
  "A discuter": "En cours",
  "À venir": "En cours",
  "En cours": "En cours",
  "En pause": "En pause",
  "En retard": "En retard",
  "Bloqué": "Bloqué",
  "Réalisé": "Terminé",
  "Abandonné": "Abandonné"
}[.];

def is_for_them:
  .natureInsee as $nature | .type == "commune" or (.type == "epci" and (["METRO", "CU", "CA", "CC"] | any(. == $nature)));

def authority:
  if .type == "commune" then {type: "Commune", code: (.communeCode // "")} else {type: "EPCI", code: (.siren // "")} end
  + {collectiviteId: .id} | filled;

.payload
| if .restreint or (.collectivite | (. == null) or (is_for_them | not)) then null
  else
    {
      nom: (if .titre | present then .titre else "Sans titre" end),
      externalId: (.id | tostring),
      description: (.description // ""),
      collectivites: [.collectivite | authority]
    }
    + ({
      budgetPrevisionnel: (.budgetPrevisionnel | amount),
      dateDebutPrevisionnelle: (.dateDebut | iso_instant),
      parentExternalId: (if .parentId | present then .parentId | tostring else null end),
      plans: (if (.plans // []) == [] then null else [.plans[] | {externalId: (.id | tostring), nom, type} | filled] end),
      phase: (if .statut | present then "Opération" else null end),
      phaseStatut: (if .statut | present then .statut | status else null end),
      porteur: (.referents // [] | if . == [] then null
                else .[0] | {referentNom: .nom, referentTelephone: .telephone, referentEmail: .email} | filled end)
    } | filled)
  end
