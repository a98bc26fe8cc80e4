import CurlClient
import TestSupport
import Testing

/// nghttpx before a scripted server: TLS, HTTP/2 and HTTP/1.1 by ALPN, with a certificate made for it.
struct TLSFront {
    let port: Int
    /// The certificate, which signs itself; valid for 127.0.0.1 only.
    let caFile: String
    private let process: ServerProcess
    private let directory: TemporaryDirectory

    static let program = "/usr/sbin/nghttpx"

    init(before server: ScriptedServer, alpn: String = "h2,http/1.1") async throws {
        directory = try TemporaryDirectory()
        let key = directory.path("key.pem")
        caFile = directory.path("certificate.pem")
        let made = try await TestSupport.run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", key, "-out", caFile,
        ])
        try #require(made.status == 0, "\(made.output)")
        port = freePort()
        process = try ServerProcess([
            Self.program, "--conf=/dev/null", "--frontend=127.0.0.1,\(port)", "--backend=127.0.0.1,\(server.port)",
            "--workers=1", "--no-ocsp", "--npn-list=\(alpn)", "--log-level=FATAL", key, caFile,
        ])
        try await process.waitUntilAccepting(port: port)
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

    /// nghttpx drains at gentler signals; nothing here is worth waiting for.
    func stop() async throws { try await process.kill() }
}
