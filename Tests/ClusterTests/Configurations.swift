/// What the deployments of these tests share.
enum Configurations {
    static let client = """
        [[client]]
        name = "tester"
        key = "\(Deployment.key)"


        """

    static let gemini = """
        [[upstream]]
        name = "gemini"
        dialect = "gemini"
        url = "${SIMULATOR}"
        key = "upstream-key"

        """

    static let geminiRoute = """

        [[route]]
        name = "gemini"
        path = "/{v1,v1beta,v1alpha}/**"
        upstream = "gemini"

        """

    static let pinecone = """

        [[upstream]]
        name = "pinecone"
        dialect = "pinecone"
        url = "${SIMULATOR}"
        key = "upstream-key"

        [[route]]
        name = "pinecone"
        path = "/pinecone/**"
        strip_prefix = "/pinecone"
        upstream = "pinecone"

        """

    static let all = client + gemini + geminiRoute + pinecone

    /// So many calls an hour of each client, all of which may come at once.
    static func limited(_ count: Int) -> String {
        """
        [[limit]]
        name = "per-client"
        by = "client"
        rate = "\(count)/hour"
        burst = \(count)


        """ + client + gemini
            + geminiRoute.replacing("upstream = ", with: "limits = [\"per-client\"]\nupstream = ")
    }

    /// A quota of requests that all calls share.
    static func paced(_ requests: Int, per: String, burst: Int, maxWait: String = "60s") -> String {
        client + gemini + """

            [upstream.queue]
            max_wait = "\(maxWait)"

            [[upstream.quota]]
            name = "rpm"
            requests = \(requests)
            per = "\(per)"
            burst = \(burst)

            """ + geminiRoute
    }

    /// - Parameter quotas: the lines of each.
    static func quotas(_ quotas: [String], maxWait: String = "60s", clients: String = "") -> String {
        let tables = quotas.map { "[[upstream.quota]]\n\($0)\n" }.joined(separator: "\n")
        return client + clients + gemini
            + "\n[upstream.queue]\nmax_wait = \"\(maxWait)\"\n\n" + tables + geminiRoute
    }
}

/// The body of a plain call.
enum Bodies {
    static let generate = #"{"contents":[{"role":"user","parts":[{"text":"hello {n}"}]}]}"#
    static let embed = #"{"content":{"parts":[{"text":"the same text for all"}]}}"#
}

enum Paths {
    static let generate = "/v1beta/models/gemini-2.5-flash:generateContent"
    static let stream = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    static let embed = "/v1beta/models/gemini-embedding-001:embedContent"
}
