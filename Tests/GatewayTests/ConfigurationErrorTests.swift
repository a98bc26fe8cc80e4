import Gateway
import Testing

@Suite struct ConfigurationErrorTests {
    @Test("Five different mistakes are all told, each with its place, in order")
    func five() {
        let text = """
            [server]
            lisen = "0.0.0.0:8080"           # an unknown key

            [[limit]]
            name = "per-ip"
            by = "ip"
            rate = "ten a minute"            # no rate

            [[upstream]]
            name = "gemini"
            dialect = "gemini"
            url = "https://host"
            key = "${GEMINI_KEY_UNSET}"      # an unset variable
            [upstream.queue]
            max_waiting = "many"             # a wrong type

            [[route]]
            path = "/v1/**"
            upstream = "gemni"               # an undefined reference
            """
        let rate = "must be a rate such as \"10/minute\", \"600/10s\" or \"200/s\""
        #expect(
            mistakes(text) == [
                "f:2: server.lisen: unknown key; did you mean \"listen\"?",
                "f:7: limit[0].rate: \(rate), is \"ten a minute\"",
                "f:13: upstream[0].key: variable GEMINI_KEY_UNSET is not set: set it, or write ${GEMINI_KEY_UNSET:-default}",
                "f:15: upstream[0].queue.max_waiting: must be an integer, is a string",
                "f:19: route[0].upstream: no [[upstream]] is named \"gemni\"; did you mean \"gemini\"?",
            ]
        )
    }

    @Test(
        "Each kind of mistake names its key, its line and what would be right",
        arguments: [
            ("[server]\nthreads = 1\nthreads = 2", "f:3: not TOML"),
            ("[server\n", "f:1: not TOML"),
            ("[[[server]]]\n", "f:1: not TOML: a header needs a name"),
            ("[server]\n[ .admin]\n", "f:2: not TOML: a header needs a name"),
            ("a = 'b\n[[=c]]\n", "f:1: not TOML: Error while parsing literal string"),
            ("[]\n", "f:1: not TOML"),
            ("a = 1\nb = [ 1,\n}", "f:3: not TOML: an array ends with ]"),
            ("[sever]\n", "f:1: sever: unknown key; did you mean \"server\"?"),
            ("[server]\nzzz = 1", "f:2: server.zzz: unknown key; known here: client_timeout, "),
            ("server = 1", "f:1: server: must be a table, is an integer"),
            ("[limit]\nname = \"a\"", "f:1: limit: must be an array of tables, written as [[limit]], is a table"),
            ("limit = [1]", "f:1: limit[0]: must be a table, is an integer"),
            ("[server]\nthreads = \"two\"", "f:2: server.threads: must be an integer, is a string"),
            ("[server]\nthreads = \"${N:-x}\"", "f:2: server.threads: must be an integer, is \"x\""),
            ("[server]\nthreads = -1", "f:2: server.threads: must be from 0 to 1024, is -1"),
            ("[server]\nlisten = 8080", "f:2: server.listen: must be a string, is an integer"),
            ("[server]\nlisten = \"8080\"", "f:2: server.listen: must be an address such as"),
            ("[server]\nlisten = \"h:99999\"", "f:2: server.listen: must be an address such as"),
            ("[server]\nmax_body = 10", "f:2: server.max_body: must be a size such as"),
            ("[server]\nmax_body = \"10MB\"", "f:2: server.max_body: must be a size such as"),
            ("[server]\nmax_header = \"1B\"", "f:2: server.max_header: must be from 1KiB to 1MiB, is \"1B\""),
            ("[server]\nidle_timeout = \"soon\"", "f:2: server.idle_timeout: must be a duration such as"),
            ("[server]\nidle_timeout = 75", "f:2: server.idle_timeout: must be a duration such as"),
            ("[server]\nidle_timeout = \"0s\"", "f:2: server.idle_timeout: must be from 1ms to 30d, is \"0s\""),
            ("[server]\npublic_url = \"gw\"", "f:2: server.public_url: must begin with http:// or https://"),
            (
                "[server]\ntrusted_proxies = [\n\"10.0.0.0/8\",\n\"10.0.0.0/33\"]",
                "f:4: server.trusted_proxies[1]: must be an address or a block"
            ),
            (
                "[server]\ntrusted_proxies = \"::1\"",
                "f:2: server.trusted_proxies: must be an array of strings, is a string"
            ),
            ("[server]\ntls = { certificate = \"c\" }", "f:2: server.tls: not available in this version"),
            ("[redis]\nurl = \"http://r\"", "f:2: redis.url: must be redis://host:6379/0"),
            (
                "[redis]\nurl = \"redis+sentinel://r\"",
                "f:2: redis.url: not a Redis URL: after the sentinels stands the master's name"
            ),
            ("[redis]\nurl = \"redis+cluster://r/1\"", "f:2: redis.url: not a Redis URL: a cluster has database 0"),
            ("[redis]\nurl = \"redis://a,b\"", "f:2: redis.url: not a Redis URL: several hosts go with"),
            ("[redis]\nca = \"/absent.pem\"", "f:2: redis.ca: there is no readable file"),
            ("[redis]\nkey = \"/k.pem\"", "f:2: redis.key: certificate and key go together"),
            (
                "[redis]\non_failure = \"opn\"",
                "f:2: redis.on_failure: must be \"local\", \"open\" or \"closed\", is \"opn\"; did"
            ),
            ("[redis]\nprefix = \"a{b}\"", "f:2: redis.prefix: must be 1 to 64 letters"),
            ("[cache]\nredis = \"redis+cluster://r:x\"", "f:2: cache.redis: not a Redis URL: the port is no number"),
            ("[admin]\nmetrics = true", "f:2: admin.metrics: must be a string, is a boolean"),
            ("[auth]\nmode = \"off\"", "f:2: auth.mode: must be \"required\", \"optional\" or \"none\", is \"off\""),
            ("[[client]]\nkey = \"K\"", "f:1: client[0]: has no name"),
            ("[[client]]\nname = \"\"\nkey = \"K\"", "f:2: client[0].name: must be 1 to 64 letters"),
            ("[[client]]\nname = \"anonymous\"\nkey = \"K\"", "f:2: client[0].name: \"anonymous\" is what callers"),
            ("[[client]]\nname = \"a\"", "f:1: client[0]: has no key"),
            ("[[client]]\nname = \"a\"\nkey = \"\"", "f:3: client[0].key: is empty"),
            ("[[client]]\nname = \"a\"\nkey = \"a b\"", "f:3: client[0].key: must be visible ASCII"),
            ("[[client]]\nname = \"a\"\nkey_sha256 = \"ab\"", "f:3: client[0].key_sha256: must be the 64 hexadecimal"),
            (
                "[[client]]\nname = \"a\"\nkey = \"K\"\n[[client]]\nname = \"b\"\nkey = \"K\"",
                "f:6: client[1].key: is already that of client[0]"
            ),
            (
                "[[client]]\nname = \"a\"\nkey = \"K\"\n[[client]]\nname = \"a\"\nkey = \"L\"",
                "f:5: client[1].name: client \"a\" is named twice; first at client[0]"
            ),
            (
                "[[client]]\nname = \"a\"\nkey = \"K\"\nlimits = [\"x\"]",
                "f:4: client[0].limits[0]: no [[limit]] is named \"x\""
            ),
            (
                "[[client]]\nname = \"a\"\nkey = \"K\"\npriority = 8",
                "f:4: client[0].priority: must be from 0 to 7, is 8"
            ),
            (
                "[[client]]\nname = \"a\"\nkey = \"K\"\nmay_name_users = 1",
                "f:4: client[0].may_name_users: must be true or false"
            ),
            ("[[price]]\nmodel = \"m\"\ninput = -1", "f:3: price[0].input: must be 0 or more"),
            ("[[price]]\ninput = 1", "f:1: price[0]: has no model"),
            ("[admin]\ntoken = \"${1X}\"", "f:2: admin.token: \"1X\" is no variable's name"),
            ("[admin]\ntoken = \"${X\"", "f:2: admin.token: ${ without }"),
            ("a = \"\u{0}\"", "f:1: holds a NUL byte"),
        ]
    )
    func kind(text: String, expected: String) {
        let mistakes = mistakes(text)
        #expect(mistakes.count == 1, "\(mistakes)")
        #expect(mistakes.first?.hasPrefix(expected) == true, "\(mistakes)")
    }

    @Test(
        "Limits, upstreams, quotas and routes are checked against each other",
        arguments: [
            ("limit", "", "by = \"team\"", "limit[1].by: must be one of"),
            ("limit", "", "by = []", "limit[1].by: is empty"),
            ("limit", "", "by = [\"ip\", \"ip\"]", "limit[1].by: names the same thing twice"),
            ("limit", "by = \"ip\"", "rate = \"0/s\"", "limit[1].rate: must be a rate such as"),
            ("limit", "by = \"ip\"", "rate = \"2000000/s\"", "limit[1].rate: must be 1000000/s at most"),
            (
                "limit", "by = \"ip\"\nrate = \"1/s\"", "name = \"per-ip\"",
                "limit[1].name: limit \"per-ip\" is named twice"
            ),
            ("upstream", "", "url = \"host\"", "upstream[1].url: must begin with http:// or https://"),
            ("upstream", "", "url = \"https://\"", "upstream[1].url: must name a host"),
            ("upstream", "", "url = \"https://h:0\"", "upstream[1].url: must name a host"),
            ("upstream", "", "url = \"https://u:p@h\"", "upstream[1].url: must hold no user or password"),
            ("upstream", "", "url = \"https://h/?a\"", "upstream[1].url: must have no query"),
            (
                "upstream", "url = \"http://h\"", "dialect = \"openai\"",
                "upstream[1].dialect: must be \"gemini\", \"pinecone\" or"
            ),
            (
                "upstream", "url = \"http://h\"\ndialect = \"gemini\"", "identity_secret = \"s\"",
                "upstream[1].identity_secret: is for dialect \"http\" only"
            ),
            ("upstream", "url = \"http://h\"", "timeout = \"x\"", "upstream[1].timeout: must be a duration such as"),
            (
                "upstream", "url = \"http://h\"", "breaker = { failures = 0 }",
                "upstream[1].breaker.failures: must be from 1 to 1000000, is 0"
            ),
            (
                "upstream", "url = \"http://h\"", "quota = [{ requests = 1, per = \"1m\", pre = 1 }]",
                "upstream[1].quota[0].pre: unknown key; did you mean \"per\"?"
            ),
            ("upstream", "url = \"http://h\"", "quota = [{ requests = 1 }]", "upstream[1].quota[0]: has no per"),
            (
                "upstream", "url = \"http://h\"", "quota = [{ per = \"1m\" }]",
                "upstream[1].quota[0]: has neither requests nor tokens"
            ),
            (
                "upstream", "url = \"http://h\"", "quota = [{ per = \"1m\", tokens = 1 }]",
                "upstream[1].quota[0].tokens: answers of dialect \"http\" tell no tokens"
            ),
            (
                "upstream", "url = \"http://h\"", "quota = [{ per = \"2d\", requests = 1, reset = \"00:00 UTC\" }]",
                "upstream[1].quota[0].reset: begins each day anew: it needs per"
            ),
            (
                "upstream", "url = \"http://h\"", "quota = [{ per = \"1d\", requests = 1, count = \"input\" }]",
                "upstream[1].quota[0].count: says which tokens are meant"
            ),
            (
                "upstream", "url = \"http://h\"", "quota = [{ per = \"1m\", requests = 10, burst = 11 }]",
                "upstream[1].quota[0].burst: must be from 1 to 10, is 11"
            ),
            (
                "upstream", "url = \"http://h\"", "quota = [{ per = \"1m\", requests = 10, headroom = \"95%\" }]",
                "upstream[1].quota[0].headroom: 95% of 10 requests leaves none"
            ),
            (
                "upstream", "url = \"http://h\"", "quota = [{ per = \"1m\", requests = 10, headroom = 0.1 }]",
                "upstream[1].quota[0].headroom: must be a percentage"
            ),
            (
                "upstream", "url = \"http://h\"", "quota = [{ per = \"1m\", requests = 10, models = [\"m\"] }]",
                "upstream[1].quota[0].models: calls of dialect \"http\" name no model"
            ),
            ("route", "upstream = \"gemini\"", "path = \"v1\"", "route[1].path: must begin with /"),
            ("route", "upstream = \"gemini\"", "path = \"/a**\"", "route[1].path: ** must be a whole segment"),
            (
                "route", "upstream = \"gemini\"", "path = \"/v1/**\"",
                "route[1]: route \"/v1/**\" is named twice; first at route[0]"
            ),
            ("route", "path = \"/x\"", "limits = [\"per-ipp\"]", "route[1]: has no upstream"),
            (
                "route", "path = \"/x\"\nupstream = \"gemini\"", "limits = [\"per-ipp\"]",
                "route[1].limits[0]: no [[limit]] is named \"per-ipp\"; did you mean \"per-ip\"?"
            ),
            (
                "route", "path = \"/x\"\nupstream = \"gemini\"", "strip_prefix = \"/x/\"",
                "route[1].strip_prefix: must begin with / and not end with it"
            ),
            (
                "route", "path = \"/x\"\nupstream = \"gemini\"", "cors = { origins = [] }",
                "route[1].cors: not available in this version"
            ),
            (
                "route", "path = \"/x\"\nupstream = \"gemini\"", "websocket = true",
                "route[1].websocket: not available in this version"
            ),
            (
                "route", "path = \"/x\"\nupstream = \"gemini\"", "cache = { tll = \"5m\" }",
                "route[1].cache.tll: unknown key; did you mean \"ttl\"?"
            ),
            (
                "route", "path = \"/x\"\nupstream = \"gemini\"", "methods = [\"GET \"]",
                "route[1].methods[0]: must be a method such as"
            ),
            ("route", "path = \"/x\"\nupstream = \"gemini\"", "auth = \"never\"", "route[1].auth: must be"),
        ]
    )
    func references(table: String, rest: String, wrong: String, expected: String) {
        let name = wrong.hasPrefix("name") || table == "route" ? "" : "name = \"other\"\n"
        let mistakes = mistakes(soundConfiguration + "[[\(table)]]\n\(name)\(rest)\n\(wrong)\n")
        #expect(mistakes.contains { $0.contains(": \(expected)") }, "\(mistakes)")
        #expect(mistakes.allSatisfy { $0.contains(": \(table)[1]") }, "\(mistakes)")
    }

    @Test("No message repeats a secret")
    func secrets() {
        let text = """
            [redis]
            url = "redis:/user:hunter2@host"
            [admin]
            token = "hunter2 "
            [[client]]
            name = "a"
            key = "hunter2 "
            [[client]]
            name = "b"
            key_sha256 = "hunter2"
            """
        let mistakes = mistakes(text)
        #expect(mistakes.count == 4)
        #expect(!mistakes.contains { $0.contains("hunter2") })
    }

    @Test("A file that is not there is one mistake")
    func absentFile() {
        #expect(throws: ConfigurationErrors.self) {
            try Configuration.read(file: "/nowhere/gateway.conf", environment: [:])
        }
    }
}
