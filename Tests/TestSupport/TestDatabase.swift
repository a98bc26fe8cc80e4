/// A database of one test, on a Postgres that all tests of this process share.
package struct TestDatabase {
    package let server: PostgresServer
    package let name: String

    private static let shared = Task { try await PostgresServer.start(settings: ["max_connections": "200"]) }
    private static let names = NameSource()

    /// Makes an empty database; the first call starts the server.
    package static func make() async throws -> TestDatabase {
        let server = try await shared.value
        let name = await names.next()
        try await server.sql("CREATE DATABASE \(name)")
        return TestDatabase(server: server, name: name)
    }

    /// The database of a Postgres that the test has for itself, and stops.
    package static func alone() async throws -> TestDatabase {
        TestDatabase(server: try await PostgresServer.start(), name: "postgres")
    }

    package var port: Int { server.port }

    package var url: String { "postgresql://postgres@127.0.0.1:\(port)/\(name)" }

    /// Runs SQL by psql; returns what it prints.
    @discardableResult
    package func sql(_ statements: String) async throws -> String {
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
