import NIOCore
import NIOPosix
import RedisClient
import TestSupport
import Testing

@Suite("Ways to reach Redis", .timeLimit(.minutes(1)))
struct RedisTransportTests {
    @Test("A Unix socket, a database of its own")
    func unixSocket() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect("unix://\(redis.unixSocketPath)?db=3")
        try await handle.send("SET", "key", "value")
        #expect(try await redis.command("-n", "3", "GET", "key") == "value")
        #expect(try await redis.command("CLIENT", "LIST").contains("name=sluice-admin"))
        await handle.close()
    }

    @Test("A password, and a user with a password")
    func credentials() async throws {
        let redis = try await RedisServer.start(password: "s@cret")
        let handle = try await connect("redis://:s%40cret@127.0.0.1:\(redis.port)")
        #expect(try await handle.send("PING") == .status("PONG"))
        try await redis.command("ACL", "SETUSER", "worker", "on", ">word", "~*", "+@all", "-info")
        let worker = try await connect("redis://worker:word@127.0.0.1:\(redis.port)/1")
        #expect(try await worker.send("ACL", "WHOAMI").string == "worker")
        #expect(await worker.read { $0.serverRunID } == nil)
        await handle.close()
        await worker.close()
    }

    @Test("A wrong password never comes up")
    func wrongPassword() async throws {
        let redis = try await RedisServer.start(password: "secret")
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let endpoint = try RedisEndpoint(url: "redis://:wrong@127.0.0.1:\(redis.port)")
        let handle = await RedisHandle.open(endpoint, on: loop, logger: quiet)
        try await eventually("Redis refused it thrice") {
            let calls = try await redis.command("INFO", "commandstats")
                .split(whereSeparator: \.isNewline).first { $0.hasPrefix("cmdstat_auth:") }?
                .split(separator: "failed_calls=").last.flatMap { Int($0) }
            return calls ?? 0 >= 3
        }
        #expect(await handle.read { !$0.isUp })
        await handle.close()
    }

    /// An authority's, a server's and its key, for 127.0.0.1: ca.pem, cert.pem, key.pem.
    private func certificates() async throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        let script = """
            set -e
            openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=ca -keyout ca.key -out ca.pem
            openssl req -newkey rsa:2048 -nodes -subj /CN=redis -keyout key.pem -out request.pem
            echo subjectAltName=IP:127.0.0.1 > extensions
            openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 \
                -extfile extensions -out cert.pem
            """
        let made = try await run(["sh", "-c", script], workingDirectory: directory.path(""))
        try #require(made.status == 0, "\(made.output)")
        return directory
    }

    private func arguments(tlsPort: Int, _ directory: TemporaryDirectory) -> [String] {
        [
            "--tls-port", String(tlsPort), "--tls-ca-cert-file", directory.path("ca.pem"),
            "--tls-cert-file", directory.path("cert.pem"), "--tls-key-file", directory.path("key.pem"),
        ]
    }

    @Test("A cluster over TLS: every node is asked at its own TLS port")
    func clusterTLS() async throws {
        let directory = try await certificates()
        let tlsPort = freePort()
        let redis = try await RedisServer.start(
            arguments: arguments(tlsPort: tlsPort, directory) + [
                "--cluster-enabled", "yes", "--cluster-port", String(freePort()), "--tls-cluster", "yes",
                "--cluster-announce-ip", "127.0.0.1",
            ]
        )
        try await eventually("it serves all slots") {
            try await redis.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383").hasPrefix("OK")
        }
        let endpoint = try RedisEndpoint(
            url: "rediss+cluster://127.0.0.1:\(tlsPort)",
            ca: directory.path("ca.pem"),
            certificate: directory.path("cert.pem"),
            key: directory.path("key.pem")
        )
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let handle = await RedisHandle.open(endpoint, on: loop, logger: quiet)
        try await eventually("the slots are served", within: .seconds(10)) {
            try await handle.send("SET", "key", "value") == .status("OK")
        } orRetry: {
            $0 is RedisError
        }
        #expect(try await redis.command("GET", "key") == "value")
        await handle.close()
    }

    @Test("TLS with a private authority and a client certificate, verified by address")
    func tls() async throws {
        let directory = try await certificates()
        let tlsPort = freePort()
        let redis = try await RedisServer.start(arguments: arguments(tlsPort: tlsPort, directory))
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let url = "rediss://127.0.0.1:\(tlsPort)"
        let endpoint = try RedisEndpoint(
            url: url,
            ca: directory.path("ca.pem"),
            certificate: directory.path("cert.pem"),
            key: directory.path("key.pem")
        )
        let handle = await RedisHandle.open(endpoint, on: loop, logger: quiet)
        try await eventually("connected") { await handle.read { $0.isUp } }
        let value = ByteBuffer(repeating: 7, count: 1 << 20)
        try await handle.send("SET", "key", .buffer(value))
        #expect(try await handle.send("GET", "key") == .bytes(value))
        await handle.close()

        let distrusting = await RedisHandle.open(try RedisEndpoint(url: url), on: loop, logger: quiet)
        try await eventually("the handshake failed") {
            try await redis.command("INFO", "stats").contains("total_connections_received")
                && redis.process.log.contains("Error accepting a client connection")
        }
        #expect(await distrusting.read { !$0.isUp })
        await distrusting.close()
    }
}
