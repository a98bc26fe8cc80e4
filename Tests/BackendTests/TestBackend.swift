import Backend
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOPosix
import PostgresClient
import TestSupport

/// A backend on a database of its own, before a stub of the gateway.
struct TestBackend: Sendable {
    static let secret = "identity-secret"

    let database: TestDatabase
    let stub: StubGateway
    let application: Application<RouterResponder<BackendContext>>
    let backend: BackendApplication
    let client: any TestClientProtocol

    /// Makes one, runs the test, takes all down.
    static func run(
        pool limits: PoolLimits = PoolLimits(size: 4, overflow: 4),
        live: Bool = false,
        on database: TestDatabase? = nil,
        _ test: @Sendable (TestBackend) async throws -> Void
    ) async throws {
        let database = if let database { database } else { try await TestDatabase.make() }
        let stub = try await StubGateway.start()
        let logger = Logger(label: "backend")
        let metrics = BackendMetrics()
        let pool = PostgresPool(
            endpoint: try PostgresEndpoint(url: database.url),
            limits: limits,
            logger: logger,
            observe: { metrics.queried($0, succeeded: $1) }
        )
        let gateway = try await GatewayClient(
            url: stub.url,
            key: "backend-key",
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        let settings = BackendSettings(
            databaseURL: database.url,
            gatewayURL: stub.url,
            gatewayKey: "backend-key",
            identitySecret: secret
        )
        let backend = BackendApplication(
            settings: settings,
            pool: pool,
            gateway: gateway,
            metrics: metrics,
            logger: logger
        )
        try await backend.migrate()
        let application = Application(
            router: backend.makeRouter(),
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            logger: logger
        )
        try await application.test(live ? .live : .router) { client in
            try await test(
                TestBackend(database: database, stub: stub, application: application, backend: backend, client: client)
            )
            stub.release()
            await backend.running.drained()
        }
        await gateway.close()
        await pool.close()
        await stub.stop()
    }

    struct Answer: Sendable {
        let status: Int
        let fields: HTTPFields
        let text: String

        /// The JSON at a path of members and indexes.
        func json(_ path: String...) throws -> String? {
            var value: Any = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
            for step in path {
                if let list = value as? [Any], let index = Int(step), index < list.count {
                    value = list[index]
                } else if let object = value as? [String: Any], let member = object[step] {
                    value = member
                } else {
                    return nil
                }
            }
            return value is NSNull ? nil : "\(value)"
        }

        func count(_ member: String) throws -> Int {
            let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            return (object?[member] as? [Any])?.count ?? -1
        }
    }

    @discardableResult
    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: String? = nil,
        user: String = "ann",
        fields: HTTPFields = [:]
    ) async throws -> Answer {
        let signed = Self.signed(method: method.rawValue, path: path, user: user).merging(fields)
        let body = body.map { ByteBuffer(string: $0) }
        return try await client.execute(uri: path, method: method, headers: signed, body: body) { response in
            Answer(status: response.status.code, fields: response.headers, text: String(buffer: response.body))
        }
    }

    static func signed(method: String, path: String, user: String, age: Int64 = 0) -> HTTPFields {
        let signature = IdentityCheck.signature(
            secret: secret,
            time: Int64(Date().timeIntervalSince1970) - age,
            method: method,
            target: path,
            user: user
        )
        return [HTTPField.Name("x-user-id")!: user, HTTPField.Name("x-sluice-signature")!: signature]
    }

    /// Keeps everybody else from a table for as long as `body` runs.
    func whileLocked(_ table: String, _ body: () async throws -> Void) async throws {
        let pool = PostgresPool(endpoint: try PostgresEndpoint(url: database.url), logger: Logger(label: "lock"))
        try await pool.transaction { connection in
            try await connection.query("LOCK TABLE \(table)")
            try await body()
        }
        await pool.close()
    }

    /// Waits until so many statements wait for what `whileLocked` holds.
    func untilBlocked(count: Int = 1) async throws {
        try await eventually("\(count) statements wait for the lock") {
            try await database.sql(
                """
                SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                WHERE NOT granted AND datname = current_database()
                """
            ) == String(count)
        }
    }

    func messageCount() async throws -> String {
        try await database.sql("SELECT count(*) FROM message")
    }
}

extension HTTPFields {
    fileprivate func merging(_ other: HTTPFields) -> HTTPFields {
        var merged = self
        for field in other { merged[field.name] = field.value }
        return merged
    }
}

/// The events of a stream's text: name and data.
func serverSentEvents(_ text: String) -> [(name: String, data: String)] {
    text.components(separatedBy: "\n\n").compactMap { block in
        var name = ""
        var data = ""
        for line in block.split(separator: "\n") {
            if line.hasPrefix("event: ") { name = String(line.dropFirst(7)) }
            if line.hasPrefix("data: ") { data = String(line.dropFirst(6)) }
        }
        return name.isEmpty ? nil : (name, data)
    }
}
