"""Pure translations between the Events API and RTM, and between retired methods and those of today. No I/O."""
