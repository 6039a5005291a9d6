(
set -eu
REKEY=${REKEY:-http://127.0.0.1:8080}
TENANTS=/tenantRelationships/delegatedAdminRelationships

# value NAME: the first property of this name in an answer.
value() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }
# call METHOD PATH [CURL OPTIONS]
call() { METHOD=$1; ADDRESS=$REKEY/v1.0$2; shift 2
  curl -sS -X "$METHOD" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' "$@" "$ADDRESS"; }
# users CUSTOMER STATUS: how many of a customer's users the report shows so.
users() { call GET "/mfaResets/$RESET/report.csv" | grep -cE "@$1\.example,($2)," || true; }

# A token of the partner's own tenant.
TOKEN=$(curl -sS -d grant_type=client_credentials -d "client_id=$PARTNER_ID" -d "client_secret=$PARTNER_SECRET" \
  "$REKEY/fabrikam.example/oauth2/v2.0/token" | value access_token)

# All users of three customers. Nobody is reset yet: first comes the preview.
RESET=$(call POST /mfaResets -d '{"reason": "Phishing wave, ticket 4712", "selections": [
  {"tenantId": "contoso.example"}, {"tenantId": "northwind.example"}, {"tenantId": "tailspin.example"}]}' | value id)
until [ "$(call GET "/mfaResets/$RESET" | value status)" = awaitingConfirmation ]; do sleep 0.2; done
for CUSTOMER in contoso northwind tailspin; do
  echo "$CUSTOMER: $(users $CUSTOMER pending) users to reset, $(users $CUSTOMER notPermitted) administrators not"
done

# Confirm exactly what was seen, and follow it live (on standard error).
ETAG=$(call GET "/mfaResets/$RESET" -o /dev/null -D - | tr -d '\r' | sed -n 's/^etag: //p')
echo "confirmed: $(call POST "/mfaResets/$RESET/confirm" -H "If-Match: $ETAG" | value status)"
call GET "/mfaResets/$RESET/events" -N | sed -un 's/.*"doneCount":\([0-9]*\).*/  \1 users reset/p' >&2 &

# Half-way, Tailspin's relationship ends.
until [ "$(users tailspin 'done|nothingToDo')" -ge 2 ]; do sleep 0.2; done
RELATIONSHIP=$(call GET $TENANTS | grep -o '"id":"[^"]*","displayName":"Service desk for Tailspin[^"]*"' | cut -d '"' -f 4)
call POST "$TENANTS/$RELATIONSHIP/requests" -d '{"action": "terminate"}' > /dev/null
wait

# What became of everybody.
echo "finished: $(call GET "/mfaResets/$RESET" | value status)"
for CUSTOMER in contoso northwind; do
  echo "$CUSTOMER: $(users $CUSTOMER 'done|nothingToDo') reset, $(users $CUSTOMER pending) left"
done
test "$(users tailspin 'done|nothingToDo')" -ge 2
test "$(users tailspin 'notPermitted,noActiveRelationship')" -ge 1
echo "tailspin: some reset, the rest notPermitted (noActiveRelationship)"
)
