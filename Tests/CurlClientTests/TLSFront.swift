import CurlClient
import Foundation
import Glibc
import NIOCore
import NIOPosix
import Testing

/// nghttpx before a scripted server: TLS, HTTP/2 and HTTP/1.1 by ALPN, with a certificate made for it.
struct TLSFront {
    let port: Int
    /// The certificate, which signs itself; valid for 127.0.0.1 only.
    let caFile: String
    private let process: Process
    private let directory: URL

    static let program = "/usr/sbin/nghttpx"

    init(before server: ScriptedServer, on group: any EventLoopGroup, alpn: String = "h2,http/1.1") async throws {
        directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let key = directory.appending(path: "key.pem").path
        caFile = directory.appending(path: "certificate.pem").path
        let maker = Process()
        maker.executableURL = URL(filePath: "/usr/bin/openssl")
        maker.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", caFile,
        ]
        maker.standardError = FileHandle.nullDevice
        try maker.run()
        maker.waitUntilExit()
        try #require(maker.terminationStatus == 0)
        // nghttpx does not tell which port it was given, so one that was free a moment ago is asked for.
        let probe = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        port = try #require(probe.localAddress?.port)
        try await probe.close()
        process = Process()
        process.executableURL = URL(filePath: Self.program)
        process.arguments = [
            "--conf=/dev/null", "--frontend=127.0.0.1,\(port)", "--backend=127.0.0.1,\(server.port)", "--workers=1",
            "--no-ocsp", "--npn-list=\(alpn)", "--log-level=FATAL", "--errorlog-file=/dev/null", key, caFile,
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        try await waitUntilUp(on: group)
    }

    func url(_ target: String = "/") -> String { "https://127.0.0.1:\(port)\(target)" }

    func get(_ target: String = "/", fields: String = "") -> TransferRequest {
        var request = TransferRequest.get(url(target), fields: fields)
        request.caFile = caFile
        return request
    }

    func post(_ body: TransferBody) -> TransferRequest {
        var request = TransferRequest.post(url(), body)
        request.caFile = caFile
        return request
    }

    func stop() {
        // nghttpx drains at SIGTERM's gentler signals; nothing here is worth waiting for.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: directory)  // the system cleans it up otherwise
    }

    private func waitUntilUp(on group: any EventLoopGroup) async throws {
        for _ in 0..<200 {
            if let channel = try? await ClientBootstrap(group: group).connect(host: "127.0.0.1", port: port).get() {
                try await channel.close()
                return
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("nghttpx did not start")
    }
}
