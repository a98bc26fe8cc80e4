import Foundation
import TestSupport
import Testing

@Suite("What goes wrong has a defined answer", .timeLimit(.minutes(2)))
struct ErrorTests {
    @Test("A configuration with five mistakes lists all five with their places, and exits 78")
    func fiveMistakes() async throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            """
            [server]
            listen = "127.0.0.1:8080"
            max_bodi = "1MiB"

            [[upstream]]
            name = "gemini"
            dialect = "gemini"
            url = "${SLUICE_TEST_UNSET}"

            [[upstream.quota]]
            requests = "many"

            [[route]]
            path = "/v1/**"
            upstream = "gemeni"
            timeout = "5 parsecs"
            """,
            to: "broken.conf"
        )
        let result = try await run([Binaries.path("gateway"), "check", "--config", file])
        #expect(result.status == 78)
        for place in [
            ":3: server.max_bodi:", ":8: upstream[0].url:", ":11: upstream[0].quota[0].requests:",
            ":15: route[0].upstream:", ":16: route[0].timeout:",
        ] {
            #expect(result.output.contains(place), "no \(place) in\n\(result.output)")
        }
    }

    @Test("The shipped configuration is valid, and without a key serving says what to set")
    func shipped() async throws {
        let environment = ["GEMINI_API_KEY": "", "PINECONE_API_KEY": ""]
        let conf = Repository.path("gateway.conf")
        let check = try await run([Binaries.path("gateway"), "check", "--config", conf], environment: environment)
        #expect(check.status == 0, "\(check.output)")
        let serve = try await run([Binaries.path("gateway"), "--config", conf], environment: environment)
        #expect(serve.status == 78)
        #expect(serve.output.contains("no key: set GEMINI_API_KEY or use scripts/run"))
    }

    struct Raw: Decodable {
        let status: Int
        let closed: Bool
        let body: String
    }

    @Test(
        "Malformed HTTP gets 400 and the connection is closed",
        arguments: [
            "GET /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "GET /v1/x HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET /v1/x HTTP/1.1\nHost: a\n\n",
            "GET /v1/x HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
            "GET /v1/x HTTP/1.1\r\n\r\n",
            "POST /v1/x HTTP/1.1\r\nHost: a\r\nx-goog-api-key: test-key\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ]
    )
    func malformed(request: String) async throws {
        let deployment = try await Deployment.start(.init(redis: false, configuration: Configurations.all))
        let seen: Raw = try await Python.run("raw", [deployment.address, request])
        #expect(seen.status == 400)
        #expect(seen.closed)
        #expect(seen.body.contains("INVALID_ARGUMENT"))
        try await deployment.stop()
    }

    @Test("An unknown path is 404 with the nearest route, in the form of its kind of path")
    func unknownPath() async throws {
        let deployment = try await Deployment.start(.init(redis: false, configuration: Configurations.pinecone))
        let gemini = try await HTTP.get(deployment.address + "/v1beta/models")
        #expect(gemini.status == 404)
        #expect(gemini.body.contains(#""status":"NOT_FOUND""#))
        let other = try await HTTP.get(deployment.address + "/pinecones")
        #expect(other.status == 404)
        #expect(other.fields["content-type"] == "application/problem+json")
        #expect(other.body.contains("/pinecone/**"))
        try await deployment.stop()
    }

    @Test("A body over the limit is 413 and names the setting")
    func tooLarge() async throws {
        let deployment = try await Deployment.start(
            .init(redis: false, server: "max_body = \"1KiB\"", configuration: Configurations.all)
        )
        let answer = try await deployment.generate(body: String(repeating: "x", count: 2_000))
        #expect(answer.status == 413)
        #expect(answer.body.contains("max_body"))
        try await deployment.stop()
    }

    @Test("An upstream that refuses connections is 502, and after enough failures the breaker answers 503")
    func breaker() async throws {
        let dead = freePort()
        let configuration =
            Configurations.client + """
                [[upstream]]
                name = "gemini"
                dialect = "gemini"
                url = "http://127.0.0.1:\(dead)"
                key = "k"
                retries = 0
                breaker = { failures = 3, window = "10s", open_for = "30s" }

                """ + Configurations.geminiRoute
        let deployment = try await Deployment.start(.init(redis: false, configuration: configuration))
        var statuses: [Int] = []
        for _ in 0..<4 {
            statuses.append(try await deployment.generate().status)
        }
        #expect(statuses == [502, 502, 502, 503])
        try await deployment.stop()
    }

    @Test("A 503 of the upstream is tried again; the caller sees the answer")
    func retried() async throws {
        let deployment = try await Deployment.start(.init(redis: false, configuration: Configurations.all))
        try await deployment.simulator.configure(#"{"fail-rate": 1, "fail-status": 503}"#)
        async let answer = deployment.generate()
        try await eventually("the first try arrives") {
            try await deployment.simulator.arrivals(call: "generateContent").isEmpty == false
        }
        try await deployment.simulator.configure(#"{"fail-rate": 0}"#)
        let status = try await answer.status
        #expect(status == 200)
        try await deployment.stop()
    }
}
