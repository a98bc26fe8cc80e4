internal import COpenSSL

/// Owns one `EVP_MD_CTX` and the algorithm that it runs.
///
/// OpenSSL fails here only when out of memory or without its default provider; the process can do nothing then.
struct DigestContext: ~Copyable {
    private let context: OpaquePointer
    private let algorithm: OpaquePointer

    /// - Parameter algorithm: its OpenSSL name, fetched once: an implicit fetch at each start costs more than a short digest.
    init(_ algorithm: StaticString) {
        let name = UnsafeRawPointer(algorithm.utf8Start).assumingMemoryBound(to: CChar.self)
        guard let context = EVP_MD_CTX_new(), let fetched = EVP_MD_fetch(nil, name, nil) else {
            fatalError("OpenSSL gives no \(algorithm)")
        }
        self.context = context
        self.algorithm = fetched
        start()
    }

    deinit {
        EVP_MD_CTX_free(context)
        EVP_MD_free(algorithm)
    }

    func update(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else { fatalError("EVP_DigestUpdate") }
    }

    /// Writes the digest and starts anew.
    /// - Parameter output: as large as the algorithm's digest.
    func finish(into output: UnsafeMutableRawBufferPointer) {
        precondition(output.count >= Int(EVP_MD_get_size(algorithm)))
        let start = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard EVP_DigestFinal_ex(context, start, nil) == 1 else { fatalError("EVP_DigestFinal_ex") }
        self.start()
    }

    func start() {
        guard EVP_DigestInit_ex2(context, algorithm, nil) == 1 else { fatalError("EVP_DigestInit_ex2") }
    }
}
