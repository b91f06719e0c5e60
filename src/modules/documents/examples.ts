/** The examples of GraphiQL. */
export const examples = `# 1. Announce a file. Then send its content
#    to the URL, which starts with the address
#    of this server:
#    curl -T hello.txt -H content-type:text/plain URL
mutation CreateUpload {
  createUpload(input: {
    name: "hello.txt"
    contentType: "text/plain"
    size: 6
  }) {
    file { id }
    url
    expiresAt
  }
}

# 2. List the files. Those that are stored
#    have a URL for the download.
query Files {
  files(first: 10) {
    nodes {
      name
      size
      status
      downloadUrl
    }
  }
  fileUsage { files bytes }
}
`;
