internal import NIOCore
internal import NIOSSL

/// Where a Redis is and how to be let in. Made once, at start; connections share it.
package struct RedisEndpoint: Sendable {
    let url: RedisURL
    /// `nil`: plaintext.
    let tls: NIOSSLContext?

    /// - Parameter url: see `RedisURL`.
    /// - Parameter ca: path of a PEM file; empty: the system's.
    /// - Parameter certificate: path of a PEM file with the client's chain; empty: none.
    /// - Parameter key: path of the PEM file of its key.
    /// - Throws: what is wrong with them. Files are read here.
    package init(
        url: String,
        ca: String = "",
        certificate: String = "",
        key: String = ""
    ) throws(RedisURLError) {
        let url = try RedisURL(url)
        self.url = url
        guard url.usesTLS else {
            guard ca.isEmpty && certificate.isEmpty && key.isEmpty else {
                throw .malformed("ca, certificate and key need a scheme with TLS: rediss")
            }
            tls = nil
            return
        }
        tls = try Self.context(ca: ca, certificate: certificate, key: key)
    }

    /// What is wrong with a URL; `nil`: nothing. Reads no file.
    package static func problem(url: String) -> String? {
        do {
            _ = try RedisURL(url)
            return nil
        } catch {
            return error.description
        }
    }

    private static func context(ca: String, certificate: String, key: String) throws(RedisURLError) -> NIOSSLContext {
        guard certificate.isEmpty == key.isEmpty else {
            throw .certificate("certificate and key are given together or not at all")
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if !ca.isEmpty {
            configuration.trustRoots = .certificates(try load(ca) { try NIOSSLCertificate.fromPEMFile($0) })
        }
        if !certificate.isEmpty {
            let chain = try load(certificate) { try NIOSSLCertificate.fromPEMFile($0) }
            configuration.certificateChain = chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(try load(key) { try NIOSSLPrivateKey(file: $0, format: .pem) })
        }
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw .certificate("the certificates cannot be used: \(error)")
        }
    }

    private static func load<Item>(_ path: String, _ read: (String) throws -> Item) throws(RedisURLError) -> Item {
        do {
            return try read(path)
        } catch {
            throw .certificate("\(path) cannot be read as PEM")
        }
    }

    /// Whether keys are spread over several servers: what one script touches needs one hash tag.
    package var isCluster: Bool {
        if case .cluster = url.topology { true } else { false }
    }

    /// - Throws: what NIOSSL throws for a host name that it takes for none.
    func makeTLSHandler(_ context: NIOSSLContext, to place: RedisPlace) throws -> NIOSSLClientHandler {
        // An address is verified against the certificate's addresses; as a server name (RFC 6066, 3) it is not allowed.
        guard case .tcp(let host, let port) = place, (try? SocketAddress(ipAddress: host, port: port)) == nil else {
            return try NIOSSLClientHandler(context: context, serverHostname: nil)
        }
        return try NIOSSLClientHandler(context: context, serverHostname: host)
    }
}

extension RedisEndpoint: CustomStringConvertible {
    /// For logs: no credentials.
    package var description: String {
        func list(_ places: [RedisPlace]) -> String { places.map(\.description).joined(separator: ",") }
        return switch url.topology {
        case .single(.unix(let path)): "\(path)?db=\(url.database)"
        case .single(let place): "\(place)/\(url.database)"
        case .cluster(let seeds): "cluster of \(list(seeds))"
        case .sentinel(let master, let sentinels): "\(master)/\(url.database) by \(list(sentinels))"
        }
    }
}
