# shellcheck shell=bash
# What scripts/run says once everything runs. Needs say.sh and the variables of scripts/run.

tell_how_to_try() {
    local python=.venv/bin/python
    [[ -x $root/.venv/bin/python ]] || python='pip install google-genai; python3'
    printf '\n'
    step 'Sluice runs'
    if $embedded; then
        note "gateway    $address"
    else
        note "gateway    $address (HAProxy, then replicas on ports $gateway_port to $((gateway_port + 2)))"
        note "chat page  $address/"
        note "backend    http://127.0.0.1:$backend_port, Postgres on port $postgres_port, Redis on port $redis_port"
    fi
    if $uses_simulator; then note "simulator  $simulator_address (every arrival: /simulator/log)"; fi
    note 'keys       .run/env'
    note 'logs       .run/logs/'
    cat <<TEXT

Try it, in another terminal in $root:

  . .run/env

  # Gemini's REST API
  curl $address/v1beta/models/gemini-2.5-flash:generateContent \\
      -H "x-goog-api-key: \$APP_KEY" -d '{"contents": [{"parts": [{"text": "Why do canals have locks?"}]}]}'

  # google-genai, streaming
  $python -c 'import os; from google import genai
client = genai.Client(api_key=os.environ["APP_KEY"], http_options={"base_url": "$address"})
for chunk in client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello"): print(chunk.text, end="")'

TEXT
    if $embedded; then
        cat <<TEXT
  # what the gateway did
  curl -H "Authorization: Bearer \$ADMIN_TOKEN" $address/admin/stats

TEXT
    else
        cat <<TEXT
  # the chat, streaming; or open $address/ in a browser
  curl -N $address/chat -H 'Content-Type: application/json' -d '{"message": "Hello", "stream": true}'

TEXT
    fi
    printf 'Ctrl-C stops everything; a second one at once.\n'
}
