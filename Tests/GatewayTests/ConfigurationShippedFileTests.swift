import Gateway
import Testing

@Suite struct ConfigurationShippedFileTests {
    private static let environment = [
        "LISTEN": "127.0.0.1:0", "REDIS_URL": "redis://127.0.0.1:6379/0", "ADMIN_TOKEN": "admin", "BACKEND_KEY": "B",
        "APP_KEY": "A", "GEMINI_URL": "http://127.0.0.1:1", "GEMINI_API_KEY": "G", "PINECONE_URL": "http://127.0.0.1:2",
        "PINECONE_API_KEY": "P", "BACKEND_URL": "http://127.0.0.1:3", "IDENTITY_SECRET": "S",
    ]

    @Test("gateway.conf is right in the environment that scripts/run makes")
    func typical() throws {
        let configuration = try readConfiguration(repositoryFile("gateway.conf"), Self.environment)
        #expect(configuration.warnings.isEmpty)
        #expect(configuration.startupError == nil)
        #expect(configuration.redis?.url == Self.environment["REDIS_URL"])
        #expect(configuration.clients.map(\.name) == ["backend", "app"])
        #expect(configuration.clients.map(\.mayNameUsers) == [true, false])
        #expect(configuration.upstreams.map(\.name) == ["gemini", "pinecone", "backend"])
        #expect(configuration.upstreams[0].quotas.map(\.limit) == [360])
        #expect(configuration.upstreams[0].quotas[0].scope == .model)
        #expect(configuration.upstreams[1].quotas.map(\.limit) == [100])
        #expect(configuration.upstreams[1].queue.maxWait == .seconds(20))
        let chat = try #require(configuration.routes.first { $0.name == "chat" })
        #expect(chat.auth == .optional)
        #expect(chat.limits.map { configuration.limits[$0].rate } == [Rate(count: 10, window: .seconds(60))])
        for name in ["gemini", "pinecone"] {
            let route = try #require(configuration.routes.first { $0.name == name })
            #expect(route.auth == .required)
            #expect(route.cache?.ttl == .seconds(300))
        }
    }

    @Test("gateway.conf is right as it is, and says which key is missing")
    func bare() throws {
        let configuration = try readConfiguration(repositoryFile("gateway.conf"))
        #expect(configuration.redis == nil)
        #expect(configuration.clients.isEmpty)
        #expect(configuration.startupError == "no key: set GEMINI_API_KEY or use scripts/run")
        #expect(configuration.warnings.contains("upstream \"pinecone\" has no key: set PINECONE_API_KEY"))
    }

    @Test("One API with a key, or a stand-in on plain HTTP, is enough to serve")
    func oneKey() throws {
        let file = try repositoryFile("gateway.conf")
        #expect(try readConfiguration(file, ["PINECONE_API_KEY": "P"]).startupError == nil)
        #expect(try readConfiguration(file, ["GEMINI_URL": "http://127.0.0.1:1"]).startupError == nil)
    }

    @Test("The quotas that gateway.conf shows as comments are right once they are none")
    func examples() throws {
        let lines = try repositoryFile("gateway.conf").split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex { $0.hasPrefix("# Gemini limits input tokens too") })
        let end = try #require(lines[start...].firstIndex { $0.isEmpty })
        let shown = lines[(start + 1)..<end].map { $0 == "#" ? "" : $0.dropFirst(2) }
        let text = (lines[..<start] + shown + lines[end...]).joined(separator: "\n")
        let quotas = try readConfiguration(text, Self.environment).upstreams[0].quotas
        #expect(quotas.map(\.name) == ["gemini-rpm", "gemini-tpm", "gemini-rpd"])
        #expect(quotas.map(\.unit) == [.requests, .tokens(.input), .requests])
        #expect(quotas.map { $0.reset?.zone } == [nil, nil, "America/Los_Angeles"])
    }

    @Test("docs/reference.md has every key that is read")
    func reference() throws {
        let reader = try ConfigurationReader(text: completeConfiguration, environment: ["GEMINI_API_KEY": "G"])
        _ = try? reader.read()
        let reference = try repositoryFile("docs/reference.md")
        #expect(reader.knownKeys.count > 90)
        for key in reader.knownKeys { #expect(reference.contains("`\(key)`"), "\(key)") }
    }
}
