/** The day after tomorrow, whose weekday is in the working hours of the examples. */
const day = new Date(Date.now() + 2 * 86_400_000);
const date = day.toISOString().slice(0, 10);
const weekday = day.getUTCDay() || 7;

/** The examples of GraphiQL. */
export const examples = `# 1. Create a category of services.
mutation CreateCategory {
  createServiceCategory(input: { name: "Hair" }) {
    id
  }
}

# 2. Create a service in it. Put the id into
#    Variables: { "category": "the id" }
mutation CreateService($category: ID!) {
  createService(input: {
    category: $category
    name: "Cut"
    durationMinutes: 45
  }) {
    id
  }
}

# 3. Create somebody who performs it.
mutation CreateStaffMember {
  createStaffMember(input: {
    name: "Bob"
    timeZone: "Europe/Berlin"
  }) {
    id
  }
}

# 4. Say when and what. Variables:
#    { "service": "…", "member": "…" }
mutation Plan($service: ID!, $member: ID!) {
  assignService(
    service: $service
    staff: $member
  ) {
    services { name }
  }
  createWorkingHours(input: {
    staff: $member
    weekday: ${weekday}
    startsAt: "09:00"
    endsAt: "17:00"
  }) {
    id
  }
}

# 5. Find the times that can be booked.
query FreeSlots($service: ID!) {
  freeSlots(
    service: $service
    from: "${date}T00:00:00Z"
    to: "${date}T23:00:00Z"
    first: 5
  ) {
    startsAt
    endsAt
    staff { name }
  }
}

# 6. Book 10:00 UTC on that day.
mutation Book($service: ID!, $member: ID!) {
  bookAppointment(input: {
    service: $service
    staff: $member
    startsAt: "${date}T10:00:00Z"
    customer: "Ada"
  }) {
    startsAt
    endsAt
  }
}
`;
