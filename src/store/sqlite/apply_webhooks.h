/* src/store/sqlite/apply_webhooks.h: the statements of apply_webhooks.c, for the list in apply.h. Private to sqlite/. */
#pragma once

#define WEBHOOK_STATEMENTS(X)                                                                                                               \
	X(NAMED_PUT, "INSERT INTO named (kind, namespace, name, number, state, reason, health, created_us, changed_us, created_seq, version, text)" \
	             " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, namespace, name) DO UPDATE SET number = excluded.number,"     \
	             " state = excluded.state, reason = excluded.reason, health = excluded.health, created_us = excluded.created_us,"             \
	             " changed_us = excluded.changed_us, created_seq = excluded.created_seq, version = excluded.version, text = excluded.text")    \
	X(NAMED_DELETE, "DELETE FROM named WHERE kind = ? AND namespace = ? AND name = ?")                                                          \
	X(NAMED_NUMBER, "UPDATE shard SET last_named = max(last_named, ?) WHERE id = 1")                                                            \
	X(MESSAGE_INSERT, "INSERT INTO message (uid, seq, namespace, type, entity, key, channels, flags, only_endpoint, next_endpoint, deliveries," \
	                  " payload_bytes, payload_body, metadata, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                  \
	X(MESSAGE_UPDATE, "UPDATE message SET flags = ?2, next_endpoint = ?3, deliveries = ?4 WHERE uid = ?1")                                      \
	/* its content goes */                                                                                                                      \
	X(MESSAGE_BODY, "SELECT payload_body FROM message WHERE uid = ?")                                                                           \
	X(MESSAGE_EMPTY, "UPDATE message SET payload_body = NULL, metadata = NULL, payload = NULL WHERE uid = ?")                                   \
	X(DELIVERIES_EXCHANGES, "UPDATE attempt SET exchange = NULL WHERE uid IN (SELECT uid FROM job WHERE message = ?)")                          \
	X(DELIVERIES_BODIES, "SELECT d.result_body FROM job j CROSS JOIN done d ON d.uid = j.uid WHERE j.message = ? AND d.result_body")            \
	X(DELIVERIES_RESULTS, "UPDATE done SET result_body = 0, result_bytes = 0, result = NULL WHERE uid IN (SELECT uid FROM job WHERE message = ?)") \
	X(ENTITY_MERGE, "INSERT INTO entity (endpoint, entity, external_id, message, at_us, state) VALUES (?, ?, ?, ?, ?, ?)"                       \
	                " ON CONFLICT (endpoint, entity) DO UPDATE SET external_id = ifnull(excluded.external_id, external_id),"                    \
	                " message = max(message, excluded.message), at_us = excluded.at_us, state = excluded.state")                                \
	X(ENTITY_DELETE, "DELETE FROM entity WHERE endpoint = ? AND entity = ?")                                                                    \
	/* ranges: uids are set aside, as for jobs; then those that must stay are taken out again */                                               \
	X(MESSAGES_MARK, "INSERT INTO doomed SELECT uid FROM message WHERE uid > ? AND uid <= ? ORDER BY uid LIMIT ?")                              \
	X(MESSAGES_SEEN, "SELECT count(*), max(uid) FROM doomed")                                                                                   \
	X(MESSAGES_SPARE, "DELETE FROM doomed WHERE EXISTS (SELECT 1 FROM job j WHERE j.message = doomed.uid)"                                      \
	                  " OR (SELECT m.next_endpoint FROM message m WHERE m.uid = doomed.uid) IS NOT NULL")                                       \
	X(MESSAGES_BODIES, "SELECT m.payload_body FROM doomed x CROSS JOIN message m ON m.uid = x.uid WHERE m.payload_body")                        \
	X(MESSAGES_DELETE, "DELETE FROM message WHERE uid IN doomed")                                                                               \
	X(ENTITIES_DELETE, "DELETE FROM entity WHERE endpoint = ?1 AND entity IN"                                                                   \
	                   " (SELECT entity FROM entity WHERE endpoint = ?1 ORDER BY entity LIMIT ?2)")
