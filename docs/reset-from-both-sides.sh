(
set -eu
REKEY=${REKEY:-http://127.0.0.1:8080}
HENRIETTA=henrietta.mueller@contoso.example
# What Henrietta's authenticator app holds; a token that is lost in a moment.
SECRET=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP

# value NAME: the first property of this name in an answer.
value() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }
# call TOKEN METHOD PATH [BODY]
call() { curl -sS -X "$2" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d "${4:-}" "$REKEY/v1.0$3"; }
sign_in() { call "$APP" POST /signInSessions "{\"userPrincipalName\": \"$HENRIETTA\",
  \"firstFactor\": {\"type\": \"password\", \"password\": \"Correct-Horse-9-Battery\"}}"; }
# verify SESSION METHOD CODE
verify() { call "$APP" POST "/signInSessions/$1/verify" "{\"methodId\": \"$2\", \"verificationCode\": \"$3\"}"; }

APP=$(curl -sS -d grant_type=client_credentials -d "client_id=$CLIENT_ID" -d "client_secret=$CLIENT_SECRET" \
  "$REKEY/contoso.example/oauth2/v2.0/token" | value access_token)

# Henrietta signs in with her password and a code of her app.
ANSWER=$(sign_in)
OLD=$(echo "$ANSWER" | value id)
TOKEN=$(echo "$ANSWER" | grep -o '"@odata.type":"#microsoft.graph.softwareOath[^"]*","id":"[^"]*"' | cut -d '"' -f 8)
echo "password:             $(echo "$ANSWER" | value status)"
ANSWER=$(verify "$OLD" "$TOKEN" "$(oathtool --totp --base32 $SECRET)")
OUTCOME=$(echo "$ANSWER" | value outcomeToken)
echo "and code:             $(echo "$ANSWER" | value status)"

# She loses her phone; the help desk resets her.
call "$APP" POST "/users/$HENRIETTA/authentication/resetMfa" '{"reason": "Phone lost, ticket 4711"}' > /dev/null

# Nothing of the old lets anybody in: neither the session, nor its outcome, nor a code, nor the passkey that was kept.
echo "old session:          $(call "$APP" GET "/signInSessions/$OLD" | value status)"
echo "old outcome:          $(call "$OUTCOME" GET /me/authentication/methods | value code)"
ANSWER=$(sign_in)
NEW=$(echo "$ANSWER" | value id)
REGISTRATION=$(echo "$ANSWER" | value registrationToken)
echo "password again:       $(echo "$ANSWER" | value status)"
echo "old code:             $(verify "$NEW" "$TOKEN" "$(oathtool --totp --base32 --now '30 seconds' $SECRET)" | value code)"
ANSWER=$(call "$APP" GET "/signInSessions/$NEW")
echo "$ANSWER" | grep -q fido2AuthenticationMethod
echo "with a kept passkey:  $(echo "$ANSWER" | value status)"

# She registers a new token with what the sign-in gave her, and nothing else.
ANSWER=$(call "$REGISTRATION" POST /me/authentication/softwareOathMethods '{"displayName": "New phone"}')
TOKEN=$(echo "$ANSWER" | value id)
SECRET=$(echo "$ANSWER" | value secretKey)
call "$REGISTRATION" POST "/me/authentication/softwareOathMethods/$TOKEN/activate" \
  "{\"verificationCode\": \"$(oathtool --totp --base32 "$SECRET")\"}"

# That code is used up; the next one is good already.
echo "registered, new code: $(verify "$NEW" "$TOKEN" "$(oathtool --totp --base32 --now '30 seconds' "$SECRET")" | value status)"
)
