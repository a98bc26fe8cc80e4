import Foundation
import Synchronization
import TestSupport

/// A running system: simulator, Redis where wanted, and so many gateways, each a process of its own.
///
/// Everything listens on free loopback ports and ends with the deployment.
final class Deployment: Sendable {
    struct Options: Sendable {
        var replicas = 1
        /// `false`: the embedded store.
        var redis = true
        /// Each replica reaches Redis through a link that can be cut.
        var links = false
        /// More of redis-server's arguments, and its environment.
        var redisArguments: [String] = []
        var redisEnvironment: [String: String] = [:]
        var balancer = false
        var simulator: [String] = []
        /// More lines of `[server]`.
        var server = ""
        /// Configuration beside what `Deployment` writes itself: listen, redis, admin, upstreams' addresses.
        var configuration: String
        var environment: [String: String] = [:]
    }

    static let adminToken = "test-admin-token"
    static let key = "test-key"

    let options: Options
    let directory: TemporaryDirectory
    let simulator: SimulatorProcess
    let redis: RedisServer?
    let links: RedisLinks?
    let ports: [Int]
    let balancerPort: Int?
    private let gatewayProcesses: Mutex<[ServerProcess]>
    private let balancer: ServerProcess?

    static func start(_ options: Options) async throws -> Deployment {
        let directory = try TemporaryDirectory()
        let simulator = try await SimulatorProcess.start(options.simulator)
        let redis =
            options.redis
            ? try await RedisServer.start(
                arguments: options.redisArguments,
                environment: options.redisEnvironment
            ) : nil
        var links: RedisLinks?
        if options.links, let redis {
            links = try await RedisLinks.start(count: options.replicas, target: redis.port)
        }
        let ports = (0..<options.replicas).map { _ in freePort() }
        var processes: [ServerProcess] = []
        for (index, port) in ports.enumerated() {
            let file = try write(
                port: port,
                redisPort: links?.ports[index] ?? redis?.port,
                options: options,
                directory: directory,
                simulator: simulator
            )
            processes.append(try launch(file, options: options))
        }
        for (index, port) in ports.enumerated() {
            try await processes[index].waitUntilAccepting(port: port)
            try await waitUntilReady(port: port)
        }
        // It takes all for up until it has asked them: started before they are ready it would refuse a test's first calls.
        var balancer: ServerProcess?
        var balancerPort: Int?
        if options.balancer {
            let port = freePort()
            let file = try directory.write(haproxy(port: port, servers: ports), to: "haproxy.cfg")
            balancer = try ServerProcess(["haproxy", "-db", "-f", file])
            try await balancer?.waitUntilAccepting(port: port)
            balancerPort = port
        }
        return Deployment(
            options: options,
            directory: directory,
            simulator: simulator,
            redis: redis,
            links: links,
            ports: ports,
            balancerPort: balancerPort,
            gateways: processes,
            balancer: balancer
        )
    }

    private init(
        options: Options,
        directory: TemporaryDirectory,
        simulator: SimulatorProcess,
        redis: RedisServer?,
        links: RedisLinks?,
        ports: [Int],
        balancerPort: Int?,
        gateways: [ServerProcess],
        balancer: ServerProcess?
    ) {
        self.options = options
        self.directory = directory
        self.simulator = simulator
        self.redis = redis
        self.links = links
        self.ports = ports
        self.balancerPort = balancerPort
        self.gatewayProcesses = Mutex(gateways)
        self.balancer = balancer
    }

    var gateways: [ServerProcess] { gatewayProcesses.withLock { $0 } }

    /// Where clients call: the balancer, else the first gateway.
    var address: String { "http://127.0.0.1:\(balancerPort ?? ports[0])" }

    func address(of replica: Int) -> String { "http://127.0.0.1:\(ports[replica])" }

    var addresses: [String] { ports.indices.map { address(of: $0) } }

    /// Starts a replica again that was stopped or killed.
    func restart(_ replica: Int) async throws {
        let process = try Self.launch(directory.path(Self.fileName(port: ports[replica])), options: options)
        gatewayProcesses.withLock { $0[replica] = process }
        try await process.waitUntilAccepting(port: ports[replica])
        try await waitUntilReady(replica)
    }

    func stop() async throws {
        try await balancer?.kill()
        for gateway in gateways { try await gateway.kill() }
        try await simulator.process.kill()
        try await links?.stop()
        try await redis?.kill()
    }

    func waitUntilReady(_ replica: Int) async throws { try await Self.waitUntilReady(port: ports[replica]) }

    private static func waitUntilReady(port: Int) async throws {
        try await eventually("the gateway on port \(port) is ready") {
            try await HTTP.get("http://127.0.0.1:\(port)/ready").status == 200
        }
    }

    func stats(of replica: Int = 0) async throws -> [String: Any] {
        let answer = try await HTTP.get(
            "\(address(of: replica))/admin/stats",
            fields: ["Authorization: Bearer \(Self.adminToken)"]
        )
        let object = try JSONSerialization.jsonObject(with: Data(answer.body.utf8))
        return object as? [String: Any] ?? [:]
    }

    /// How many calls of a replica wait for a slot.
    func waiting(of replica: Int = 0) async throws -> Int {
        try await quotas(of: replica).compactMap { $0["waiting"] as? Int }.reduce(0, +)
    }

    func replicas(knownTo replica: Int) async throws -> Int? {
        (try await stats(of: replica)["cluster"] as? [String: Any])?["replicas"] as? Int
    }

    /// How many calls a replica has had since its start.
    func served(by replica: Int) async throws -> Int {
        (try await stats(of: replica)["replica"] as? [String: Any])?["requests"] as? Int ?? 0
    }

    func redisMode(of replica: Int) async throws -> String? {
        (try await stats(of: replica)["redis"] as? [String: Any])?["mode"] as? String
    }

    private static func fileName(port: Int) -> String { "gateway-\(port).conf" }

    private static func write(
        port: Int,
        redisPort: Int?,
        options: Options,
        directory: TemporaryDirectory,
        simulator: SimulatorProcess
    ) throws -> String {
        var text = "[server]\nlisten = \"127.0.0.1:\(port)\"\nthreads = 1\ntrusted_proxies = [\"127.0.0.0/8\"]\n"
        text += options.server + "\n\n"
        if let redisPort { text += "[redis]\nurl = \"redis://127.0.0.1:\(redisPort)/0\"\n${REDIS_MORE}\n\n" }
        text += "[admin]\ntoken = \"\(adminToken)\"\n\n"
        text += options.configuration
        text = text.replacingOccurrences(of: "${REDIS_MORE}", with: options.environment["REDIS_MORE"] ?? "")
        text = text.replacingOccurrences(of: "${SIMULATOR}", with: "http://127.0.0.1:\(simulator.port)")
        return try directory.write(text, to: fileName(port: port))
    }

    private static func launch(_ file: String, options: Options) throws -> ServerProcess {
        try ServerProcess([Binaries.path("gateway"), "--config", file], environment: options.environment)
    }

    private static func haproxy(port: Int, servers: [Int]) -> String {
        var text = """
            global
                maxconn 4000
            defaults
                mode http
                option forwardfor
                option redispatch
                retries 3
                # A connection that a closing listener had not taken yet is reset: no byte of its request was read.
                retry-on conn-failure empty-response
                timeout connect 2s
                timeout client 700s
                timeout server 700s
            frontend public
                bind 127.0.0.1:\(port)
                default_backend gateways
            backend gateways
                balance roundrobin
                option httpchk GET /ready

            """
        for (index, server) in servers.enumerated() {
            text += "    server g\(index) 127.0.0.1:\(server) check inter 500ms rise 1 fall 2\n"
        }
        return text
    }
}
