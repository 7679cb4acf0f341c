# mattermost.jq: what endpoints and deliveries do, as a line in a chat: {"text": …}, as incoming webhooks of Mattermost, Slack and Rocket.Chat take it. Any
# other message of an endpoint with this format gives its type, entity and payload.

# Names, URLs and errors come from others: nothing of them calls a whole channel, ends a piece of code or is read as markup.
def plain: tostring | gsub("[\r\n\t]+"; " ") | gsub("`"; "'") | gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;") | gsub("@"; "@\u200b");
def short($most): if length > $most then .[:$most - 1] + "…" else . end;
def code: short(500) | "`\(plain)`";

# As ruche says it, with the status in it.
def reason: .error | if . == null then "" else
    (.message // (.status // empty | "HTTP \(.)") // .class // "unknown") | " Last error: " + (tostring | short(300) | rtrimstr(".") | plain) + "." end;

def whose: (.endpoint | code) + (if (.namespace // "default") == "default" then "" else " in \(.namespace | code)" end) + (if .url then " (\(.url | plain))" else "" end);
def count($one; $many): "\(.) \(if . == 1 then $one else $many end)";
def held: if (.held // 0) > 0 then " \(.held | count("delivery waits"; "deliveries wait"))." else "" end;

def line($type; $about):
  if $type == "endpoint.failing" then
    ":warning: \(whose) fails: \(.attempts_failed // 0 | count("attempt"; "attempts")) without a success since \(.failing_since_at // "just now" | plain).\(reason)\(held)"
    + (if .disable_at then " It will be disabled at \(.disable_at | plain)." else "" end)
  elif $type == "endpoint.disabled" then
    ":no_entry: \(whose) is disabled: " + (if .reason == "gone" then "it answered 410." else "nothing went through for too long." end)
    + "\(reason)\(held) When it is well again: `ruche endpoints enable \(.endpoint | plain)`"
  elif $type == "endpoint.recovered" then
    ":white_check_mark: \(whose) is well again" + (if (.attempts_failed // 0) > 0 then ", after \(.attempts_failed | count("failed attempt"; "failed attempts"))" else "" end) + (if .failing_since_at then " since \(.failing_since_at | plain)." else "." end)
  elif $type == "delivery.exhausted" then
    ":x: \(.type // "a message" | code)" + (if .entity then " about \(.entity | code)" else "" end) + " did not reach \(whose), after \(.attempts_made // 0 | count("attempt"; "attempts")).\(reason)"
    + " Once more: `ruche deliveries retry \(.delivery | plain)`"
  else
    "\($type | code)" + (if $about then " about \($about | code)" else "" end) + ": \(tojson | code)"
  end;

.message as {$type, entity: $about} | .payload | {text: line($type; $about)}
