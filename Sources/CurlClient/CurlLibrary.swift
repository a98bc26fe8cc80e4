internal import CCurl

/// libcurl's process-wide state: made ready once, before the first handle, and kept until the process ends.
enum CurlLibrary {
    /// `CURLE_OK`, or why libcurl cannot be used. Debian's build is thread-safe here; `static let` makes it once.
    private static let status = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

    static func prepare() throws(CurlSetupError) {
        guard status == CURLE_OK else { throw .library(code: Int32(status.rawValue)) }
    }
}
