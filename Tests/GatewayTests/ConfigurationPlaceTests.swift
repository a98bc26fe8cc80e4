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

@Suite struct ConfigurationDamageTests {
    @Test("A damaged file is read to its end, and what is wrong with it has a line")
    func damaged() {
        let sound = Array(completeConfiguration.utf8)
        var state: UInt64 = 1
        func random(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let replacements = Array("\"'[]{}=#.,\n\\ x1".utf8)
        for _ in 0..<400 {
            var bytes = sound
            for _ in 0...random(below: 2) {
                let index = random(below: bytes.count)
                if random(below: 2) == 0 {
                    bytes.remove(at: index)
                } else {
                    bytes[index] = replacements[random(below: replacements.count)]
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            let mistakes = mistakes(text, ["GEMINI_API_KEY": "G"])
            #expect(
                mistakes.allSatisfy { $0.hasPrefix("f:") && $0.dropFirst(2).first?.isNumber == true },
                "\(mistakes)"
            )
        }
    }
}
