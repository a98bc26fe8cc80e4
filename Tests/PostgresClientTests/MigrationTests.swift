import Logging
import PostgresClient
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct MigrationTests {
    private static let logger = Logger(label: "test")
    private static let first = Migration(version: 1, name: "one", statements: ["CREATE TABLE one (id bigint)"])
    private static let second = Migration(version: 2, name: "two", statements: ["ALTER TABLE one ADD COLUMN name text"])

    @Test("Many processes that migrate at once apply each step once")
    func concurrent() async throws {
        let server = try await TestDatabase.make()
        let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
            for _ in 0..<6 {
                group.addTask {
                    let pool = try Self.pool(server)
                    let applied = try await pool.migrate([Self.first, Self.second], logger: Self.logger)
                    await pool.close()
                    return applied
                }
            }
            return try await group.reduce(into: [Int]()) { $0 += $1 }
        }
        #expect(applied == [1, 2])
        #expect(
            try await server.sql("SELECT string_agg(version || name, ',' ORDER BY version) FROM schema_version")
                == "1one,2two"
        )
    }

    @Test("A step that fails leaves the schema as it was")
    func failure() async throws {
        let server = try await TestDatabase.make()
        let pool = try Self.pool(server)
        try await pool.migrate([Self.first], logger: Self.logger)
        let broken = Migration(
            version: 2,
            name: "two",
            statements: ["CREATE TABLE two (id bigint)", "CREATE TABEL three"]
        )
        await #expect {
            try await pool.migrate([Self.first, broken], logger: Self.logger)
        } throws: { ($0 as? PostgresError)?.sqlState == "42601" }
        #expect(try await server.sql("SELECT max(version), to_regclass('two') IS NULL FROM schema_version") == "1|t")
        let later = try await pool.migrate([Self.first, Self.second], logger: Self.logger)
        let again = try await pool.migrate([Self.first, Self.second], logger: Self.logger)
        #expect(later == [2])
        #expect(again == [])
        await pool.close()
    }

    private static func pool(_ server: TestDatabase) throws -> PostgresPool {
        PostgresPool(
            endpoint: try PostgresEndpoint(url: server.url),
            limits: PoolLimits(size: 2, overflow: 0),
            logger: logger
        )
    }
}
