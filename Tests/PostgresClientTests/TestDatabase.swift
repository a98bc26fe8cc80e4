import TestSupport

/// A database of one test, on a server that all tests of this process share.
struct TestDatabase {
    let server: PostgresServer
    let name: String

    private static let shared = Task { try await PostgresServer.start(settings: ["max_connections": "200"]) }
    private static let names = NameSource()

    static func make() async throws -> TestDatabase {
        let server = try await shared.value
        let name = await names.next()
        try await server.sql("CREATE DATABASE \(name)")
        return TestDatabase(server: server, name: name)
    }

    var port: Int { server.port }

    var url: String { "postgresql://postgres@127.0.0.1:\(port)/\(name)" }

    @discardableResult
    func sql(_ statements: String) async throws -> String {
        try await server.sql(statements, database: name)
    }

    private actor NameSource {
        private var count = 0

        func next() -> String {
            count += 1
            return "test\(count)"
        }
    }
}
