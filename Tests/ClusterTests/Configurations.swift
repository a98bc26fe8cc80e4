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
