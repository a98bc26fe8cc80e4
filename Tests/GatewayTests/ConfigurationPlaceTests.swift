import Gateway
import Testing

@Suite struct ConfigurationPlaceTests {
    @Test("Lines are right after comments, strings that look like tables, and nested tables")
    func places() {
        let text = """
            # [[upstream]] in a comment
            [server] # [redis]
            public_url = '''
            [[route]]
            threads = 1 '''
            "idle_timeout" = 1
            trusted_proxies = [ # one
              "x,]",

              'y' ]
            [[upstream]]
            name = "a" # "
            url = "http://a"
            key = \"\"\"
            \\\" [upstream.queue] \\
            \"\"\"
            breaker = { window = "x", failures = 0 }
            queue.max_wait = 1
            [[upstream.quota]]
            requests = 0
            per = "1m"
            [[upstream.quota]]
            requests = 1
            per = 7
            [[upstream]]
            name = "b"
            url = "http://b"
            [upstream.queue]
            fair_by = "x"
            [[upstream.quota]]
            requests = 1
            per = 8
            """
        let places = mistakes(text).map { $0.split(separator: " ")[0...1].joined(separator: " ") }
        #expect(
            places == [
                "f:3: server.public_url:", "f:6: server.idle_timeout:", "f:8: server.trusted_proxies[0]:",
                "f:10: server.trusted_proxies[1]:", "f:14: upstream[0].key:", "f:17: upstream[0].breaker.failures:",
                "f:17: upstream[0].breaker.window:", "f:18: upstream[0].queue.max_wait:",
                "f:20: upstream[0].quota[0].requests:", "f:24: upstream[0].quota[1].per:",
                "f:29: upstream[1].queue.fair_by:", "f:32: upstream[1].quota[0].per:",
            ]
        )
    }

    @Test("Windows line ends count once")
    func carriageReturns() {
        #expect(mistakes("# a\r\n[server]\r\nthreads = -1\r\n").first?.hasPrefix("f:3: server.threads") == true)
    }
}
