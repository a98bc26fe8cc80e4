import Foundation
import TestSupport

/// A PgBouncer in transaction mode before a Postgres, with fewer server connections than clients.
final class PgBouncer: Sendable {
    let port: Int
    private let directory: TemporaryDirectory
    private let process: ServerProcess

    init(before server: PostgresServer, serverConnections: Int) async throws {
        port = freePort()
        directory = try TemporaryDirectory()
        let configuration = try directory.write(
            """
            [databases]
            postgres = host=127.0.0.1 port=\(server.port) user=postgres dbname=postgres
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(port)
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction
            default_pool_size = \(serverConnections)
            """,
            to: "pgbouncer.ini"
        )
        process = try ServerProcess(asPostgres(["pgbouncer", configuration]), workingDirectory: "/")
        try await process.waitUntilAccepting(port: port)
    }

    var url: String { "postgresql://postgres@127.0.0.1:\(port)/postgres" }

    func stop() async throws { try await process.terminate() }
}
